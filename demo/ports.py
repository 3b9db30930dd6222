"""Free TCP ports for tests, and the check that a wanted one is free."""

import errno
import socket
from collections import deque
from typing import Any

from demo.errors import DemoError

LOOPBACK = "127.0.0.1"

OTHERS = {"--port": "5200", "--triton-ports": "9000,9001,9002"}
"""What an option could be where the usual ports are in use."""


NUM_KEPT = 256
_kept: deque[socket.socket] = deque()


def free_ports(count: int) -> tuple[int, ...]:
    """`count` different ports of the loopback address that nobody listens on.

    The system gives them to nobody else before `NUM_KEPT` more were asked for: a socket stays
    bound to each, without listening. Servers, which set SO_REUSEADDR, can listen there beside it.
    """
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind((LOOPBACK, 0))
    _kept.extend(sockets)
    while len(_kept) > NUM_KEPT:
        _kept.popleft().close()
    return tuple(each.getsockname()[1] for each in sockets)


def check_port(host: str, port: int, option: str) -> None:
    """Raise `DemoError`, naming the option that changes the port, if one cannot listen on it."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DemoError(f"Cannot listen on {host}: {error.strerror}.") from None
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            # As servers do, so that connections that are only closing do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _try(probe, address, host, port, option)


def _try(probe: socket.socket, address: Any, host: str, port: int, option: str) -> None:
    try:
        probe.bind(address)
    except OSError as error:
        # Other errors are for the server to judge: an IPv6 localhost may be switched off.
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise DemoError(
                f"Cannot listen on port {port} of {host} ({error.strerror}): stop what uses it,"
                f' or choose another with {option} (make run ARGS="{option} {OTHERS[option]}").'
            ) from None
