"""Which of the system's threads work beside an event loop, whose locks they must not wait for."""

from __future__ import annotations

from _thread import get_native_id

_ids: set[int] = set()


def note_this_one() -> None:
    """The thread that calls is one of them, for as long as it lives."""
    _ids.add(get_native_id())


def is_this_one() -> bool:
    """Whether the thread that calls is one of them."""
    return get_native_id() in _ids
