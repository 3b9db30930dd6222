"""CPU-bound work off the event loop: the only importer of gevent."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from app import native_threads

P = ParamSpec("P")
T = TypeVar("T")


class CalledOff(OSError):
    """What waits on a socket is to end.

    As an OSError it is to the socket's user a failure of the connection, which it then gives up.
    """


# More prompts of a megabyte at once than this wait for one another.
MAX_THREADS = 10
# Below the event loop's own 0, so that where cores are short the loop runs first.
NICENESS = 5


def is_event_loop() -> bool:
    """True when this process serves requests as greenlets on one event loop."""
    if "gevent.monkey" not in sys.modules:
        return False
    from gevent import monkey

    return bool(monkey.is_module_patched("socket"))


def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a native thread under gevent, and in place on any other host.

    It must not log, nor take a lock that the event loop takes, too: such a lock is gevent's, and
    who waits for it across threads may wait for ever. Raises whatever `function` raises.
    """
    if not is_event_loop():
        return function(*args, **kwargs)

    def outcome() -> tuple[T | None, Exception | None]:
        native_threads.note_this_one()
        _stand_back()
        # An error that leaves the thread by itself is printed by gevent, traceback and all.
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error

    value, error = _pool().apply(outcome)
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]  # gevent's pool is untyped


@functools.cache
def _pool() -> Any:
    """Threads of our own: in the hub's, looking up a host's address would wait for long prompts."""
    from gevent.threadpool import ThreadPool

    return ThreadPool(MAX_THREADS)


def _stand_back() -> None:
    """Let the event loop go first. Only Linux knows the niceness of a thread."""
    if sys.platform == "linux" and os.getpriority(os.PRIO_PROCESS, 0) < NICENESS:
        # A sandbox may forbid it.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)


def run_if(is_large: bool, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """`run` for work that the event loop should not wait for, a plain call for the rest."""
    return run(function, *args, **kwargs) if is_large else function(*args, **kwargs)


def current_task() -> Any:
    """What runs here on an event loop, None on any other host; for `fail_task`."""
    if not is_event_loop():
        return None
    import gevent

    return gevent.getcurrent()


def fail_task(task: Any, error: Exception) -> None:
    """Raise `error` in a task, wherever it waits. Does nothing where tasks are threads."""
    if task is not None:
        import gevent

        gevent.kill(task, error)


def time_limit(seconds: float) -> AbstractContextManager[Any]:
    """Raise TimeoutError in what runs inside after `seconds`.

    For work that waits on gevent's sockets, as tritonclient's HTTP does on every host.
    """
    import gevent

    limit: AbstractContextManager[Any] = gevent.Timeout(seconds, TimeoutError)
    return limit


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Gives what raises CalledOff in what runs inside, from any thread or greenlet.

    For work that waits on gevent's sockets, as `time_limit`. After the end it does nothing.
    """
    import gevent

    # Of all that gevent has, this alone may be touched by another thread.
    watcher = gevent.get_hub().loop.async_()
    watcher.start(gevent.getcurrent().throw, CalledOff("called off"))
    try:
        yield watcher.send
    finally:
        watcher.close()
