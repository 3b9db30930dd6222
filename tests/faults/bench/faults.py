"""What a proxy does to the bytes of one direction of a connection, and the count of what it did."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """Several at once are possible; one that does nothing is the default.

    - latency: seconds before each block of bytes is passed on
    - bandwidth: bytes per second
    - slice: at most so many bytes are passed on at a time
    - limit, then: after so many bytes of a connection "rst", "fin" or "hang"
    - corrupt, seed: the probability of each byte to get one bit flipped
    - is_swallowed: nothing is passed on
    - close_delay: seconds before the end of the one side is told to the other
    """

    latency: float = 0.0
    bandwidth: float | None = None
    slice: int | None = None
    limit: int | None = None
    then: str = "fin"
    corrupt: float = 0.0
    seed: int = 0
    is_swallowed: bool = False
    close_delay: float = 0.0


NOTHING = Fault()


class Limited(Exception):
    """The connection's bytes are used up; `then` is what to do."""

    def __init__(self, then: str) -> None:
        super().__init__(then)
        self.then = then


class Tally:
    """Counts by name, from many threads: connections, bytes, corrupted, swallowed, ..."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Add `count`, if there is anything to add."""
        if count:
            with self._lock:
                self._counts[name] += count

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def as_dict(self) -> dict[str, int]:
        """A copy."""
        with self._lock:
            return dict(self._counts)


class FaultyFlow:
    """One direction of one connection under one fault."""

    def __init__(self, fault: Fault, tally: Tally) -> None:
        self.fault = fault
        self._tally = tally
        self._random = random.Random(fault.seed)  # must be repeatable
        self._left = fault.limit

    def pieces(self, block: bytes) -> Iterator[bytes]:
        """What to send of a block, one piece after another, each when its time has come.

        Raises:
            Limited: behind the last byte that may pass.
        """
        fault = self.fault
        if fault.latency:
            self._tally.add("delayed")
            time.sleep(fault.latency)
        if fault.is_swallowed:
            self._tally.add("swallowed", len(block))
            return
        allowed = block if self._left is None else block[: self._left]
        yield from self._passed(self._corrupted(allowed))
        if self._left is not None:
            self._left -= len(allowed)
            if self._left <= 0:
                self._tally.add(fault.then)
                raise Limited(fault.then)

    def _passed(self, block: bytes) -> Iterator[bytes]:
        size = self.fault.slice or len(block) or 1
        if self.fault.bandwidth is not None:
            # Ten pieces a second at most, so that the rate is even.
            size = min(size, max(int(self.fault.bandwidth / 10), 1))
        for start in range(0, len(block), size):
            piece = block[start : start + size]
            if self.fault.bandwidth is not None:
                time.sleep(len(piece) / self.fault.bandwidth)
            self._tally.add("pieces")
            self._tally.add("bytes", len(piece))
            yield piece

    def _corrupted(self, block: bytes) -> bytes:
        if not self.fault.corrupt:
            return block
        changed = bytearray(block)
        for index in range(len(changed)):
            if self._random.random() < self.fault.corrupt:
                changed[index] ^= 1 << self._random.randrange(8)
                self._tally.add("corrupted")
        return bytes(changed)
