"""Reading an event stream as a client does."""

from __future__ import annotations

import json
from typing import Any


def read_events(body: bytes) -> list[Any]:
    """The events in order: objects, "[DONE]", and comments as their text."""
    frames = body.decode().split("\n\n")
    assert frames.pop() == "", "the last frame is not complete"
    return [_read(frame) for frame in frames]


def _read(frame: str) -> Any:
    assert "\n" not in frame
    if frame.startswith(":"):
        return frame
    assert frame.startswith("data: ")
    data = frame.removeprefix("data: ")
    return data if data == "[DONE]" else json.loads(data)
