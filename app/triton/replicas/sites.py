"""Where a model's Tritons are: its addresses, each name looked up again while it is used."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from app.triton.address import Address

log = logging.getLogger(__name__)

C = TypeVar("C")

# Seconds for which the answer to a look-up is used.
LOOKUP_INTERVAL = 5.0


class Sites(Generic[C]):
    """Connections to Tritons, one for each address however many models use it.

    `connect` makes one, without opening anything.
    """

    def __init__(self, connect: Callable[[Address], C]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        # A connection ends when no model uses it any more.
        self._connections: weakref.WeakValueDictionary[Address, C] = weakref.WeakValueDictionary()

    def connection(self, address: Address) -> C:
        """The connection to this address."""
        with self._lock:
            found = self._connections.get(address)
            if found is None:
                found = self._connections[address] = self._connect(address)
            return found


class Lookup:
    """The addresses of a model's `url` list.

    A name with several addresses of one kind, as a headless service in Kubernetes has, stands for
    as many Tritons. It is looked up again, in the background, when it is used five seconds after
    the last answer. A name that cannot be looked up keeps the addresses that it had.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._names = [Address.parse(url) for url in urls]
        self._known: Mapping[Address, Sequence[Address]] = {}
        self._lock = threading.Lock()
        self._due_at = -math.inf
        self._first = threading.Event()

    def addresses(self, lookup_timeout: float) -> Sequence[Address]:
        """All of them; the first time this waits up to `lookup_timeout` seconds for the look-up."""
        if time.monotonic() >= self._due_at:
            self._begin()
        if not self._known:
            self._first.wait(lookup_timeout)
        known = self._known
        found = [address for name in self._names for address in known.get(name, [name])]
        return list(dict.fromkeys(found))

    def _begin(self) -> None:
        with self._lock:
            if time.monotonic() < self._due_at:
                return
            # Not before this one is over: one that takes long must not replace a newer answer.
            self._due_at = math.inf
        if all(is_numeric(name.host) for name in self._names):
            self._known = {name: [name] for name in self._names}
            self._first.set()
            return
        try:
            threading.Thread(target=self._look_up, name="triton-names", daemon=True).start()
        except RuntimeError as error:  # out of threads; the names go on as they are until then
            log.warning("the names of Tritons cannot be looked up for now: %s", error)
            self._end()

    def _look_up(self) -> None:
        known = self._known
        try:
            self._known = {
                name: addresses_of(name) or known.get(name, [name]) for name in self._names
            }
        finally:
            self._end()

    def _end(self) -> None:
        self._first.set()
        self._due_at = time.monotonic() + LOOKUP_INTERVAL


def addresses_of(name: Address) -> Sequence[Address]:
    """What a name stands for: itself if that is one Triton; nothing if it is unknown."""
    try:
        found = socket.getaddrinfo(name.host, name.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        log.warning("the name %r of a Triton cannot be looked up: %s", name.host, error)
        return []
    by_family: dict[int, dict[str, None]] = {}
    for family, *_, address in found:
        by_family.setdefault(family, {})[str(address[0])] = None
    most = max(by_family.values(), key=len)
    if len(most) == 1:
        # One host, perhaps with an address of each kind: whichever answers.
        return [name]
    return [name.at(host) for host in sorted(most)]


def is_numeric(host: str) -> bool:
    """Whether it is an address rather than a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False
