"""What requests ask and models answer, in the log: only where LOG_PROMPTS asks for it."""

from __future__ import annotations

import logging
from collections.abc import Generator

from app.chunks import Chunk
from app.observability.log_fields import about

log = logging.getLogger(__name__)

# Characters of a request's body, and of the text of one choice; at most what a line may have.
MAX_CHARACTERS = 8000
WARNING = (
    "LOG_PROMPTS is set: the log holds what users write and what models answer."
    " Unset it, unless all of them know"
)

_is_on = False


def configure(*, is_on: bool) -> None:
    """Log prompts and answers from now on, or no more; a warning says so."""
    global _is_on
    if is_on:
        log.warning(WARNING)
    _is_on = is_on


def is_on() -> bool:
    """Whether prompts and answers are logged."""
    return _is_on


def log_body(request_id: str, body: bytes) -> None:
    """The beginning of a request's body, if prompts are logged."""
    if _is_on:
        # A character of UTF-8 has at most four bytes.
        shown = body[: 4 * MAX_CHARACTERS].decode(errors="replace")[:MAX_CHARACTERS]
        log.info("%s: asked", request_id, extra=about(request_id, body=shown))


def told(chunks: Generator[Chunk, None, None], request_id: str) -> Generator[Chunk, None, None]:
    """The chunks; at their end the log gets the beginning of each choice's text."""
    texts: dict[int, str] = {}
    try:
        for chunk in chunks:
            text = texts.get(chunk.index, "")
            if len(text) < MAX_CHARACTERS:
                texts[chunk.index] = text + chunk.text
            yield chunk
    finally:
        chunks.close()
        for index, text in sorted(texts.items()):
            shown = about(request_id, choice=index, text=text[:MAX_CHARACTERS])
            log.info("%s: answered", request_id, extra=shown)
