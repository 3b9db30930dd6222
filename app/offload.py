"""CPU-bound work off the event loop. Beside gunicorn.conf.py the only importer of gevent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def is_event_loop() -> bool:
    """True when this process serves requests as greenlets on one event loop."""
    if "gevent.monkey" not in sys.modules:
        return False
    from gevent import monkey

    return bool(monkey.is_module_patched("socket"))


def run(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in a native thread under gevent, and in place on any other host.

    Raises whatever `function` raises.
    """
    if not is_event_loop():
        return function(*args, **kwargs)
    import gevent

    return gevent.get_hub().threadpool.apply(function, args, kwargs)  # type: ignore[no-any-return]  # gevent's pool is untyped
