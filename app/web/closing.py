"""The end of a response, for which much waits: places, counts, the log's line."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Response


class ClosingResponse(Response):
    """Calls all that wait for its close, also behind what fails, and raises the last failure."""

    def close(self) -> None:
        """Close the body, then call the rest in their order."""
        with ExitStack() as closing:
            for step in reversed(self._on_close):
                closing.callback(step)
            if hasattr(self.response, "close"):
                self.response.close()
