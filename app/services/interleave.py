"""Several iterators at once, their items in the order in which they come."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from queue import Full, Queue
from typing import Generic, TypeVar

from app.cancellation import Cancellation

T = TypeVar("T")

Source = Generator[T, None, None]

MAX_WAITING = 64
CHECK_INTERVAL = 1.0


class _End(Generic[T]):
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def interleave(
    sources: Sequence[Source[T]], cancellation: Cancellation
) -> Generator[T, None, None]:
    """Run every source in a thread (a greenlet on an event loop) of its own.

    When one fails, or when this iterator is closed early, `cancellation` ends the others.

    Raises:
        Exception: of the first source that failed.
    """
    items: Queue[T | _End[T]] = Queue(MAX_WAITING)

    def wake() -> None:
        # A full queue has a consumer that is not waiting.
        with suppress(Full):
            items.put_nowait(_End(cancellation.error))

    cancellation.on_cancel(wake)
    num_open = len(sources)
    try:
        _start(sources, items, cancellation)
        while num_open:
            if cancellation.is_cancelled:
                raise cancellation.error
            item = items.get()
            if not isinstance(item, _End):
                yield item
                continue
            if item.error is not None:
                raise item.error
            num_open -= 1
    finally:
        cancellation.forget(wake)
        if num_open:
            cancellation.cancel()


def _start(
    sources: Sequence[Source[T]], items: Queue[T | _End[T]], cancellation: Cancellation
) -> None:
    waiting = list(sources)
    try:
        while waiting:
            arguments = (waiting[0], items, cancellation)
            threading.Thread(target=_pump, args=arguments, daemon=True).start()
            waiting.pop(0)
    except RuntimeError:
        # Out of threads. What has not begun cannot be closed, so it is begun, to find itself
        # cancelled and to give back what it was handed.
        cancellation.cancel()
        for source in waiting:
            with suppress(Exception):
                next(source)
        raise


def _pump(source: Source[T], items: Queue[T | _End[T]], cancellation: Cancellation) -> None:
    end: _End[T] = _End()
    try:
        with closing(source):
            for item in source:
                if not _put(items, item, cancellation):
                    break
    except Exception as error:  # the consumer raises it
        end = _End(error)
    _put(items, end, cancellation)


def _put(items: Queue[T | _End[T]], item: T | _End[T], cancellation: Cancellation) -> bool:
    while not cancellation.is_cancelled:
        try:
            items.put(item, timeout=CHECK_INTERVAL)
            return True
        except Full:
            continue
    return False
