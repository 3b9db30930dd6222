"""What a backend is told of a structure: encoded once for all jobs of a request."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from app import offload
from app.types import StructuredOutput

T = TypeVar("T")

NUM_KEPT = 4
# Characters above which encoding leaves the event loop.
MAX_CHARACTERS_ON_LOOP = 16 * 1024


class StructureTexts(Generic[T]):
    """Encodes structures, and keeps what it made of the last few.

    A request with several choices asks for one structure in several jobs, at the same time.
    """

    def __init__(self, encode: Callable[[StructuredOutput], T]) -> None:
        self._encode = encode
        self._lock = threading.Lock()
        self._kept: deque[tuple[StructuredOutput, Future[T]]] = deque(maxlen=NUM_KEPT)

    def of(self, structure: StructuredOutput) -> T:
        """The encoded structure. Raises what `encode` raises."""
        with self._lock:
            found = next((made for known, made in self._kept if known is structure), None)
            if found is None:
                making: Future[T] = Future()
                self._kept.append((structure, making))
        if found is not None:
            return found.result()
        try:
            made = offload.run_if(_is_large(structure), self._encode, structure)
        except BaseException as error:  # those who share the encoding must not wait for ever
            making.set_exception(error)
            raise
        making.set_result(made)
        return made


def _is_large(structure: StructuredOutput) -> bool:
    """Nobody has counted a schema."""
    value = structure.value
    if isinstance(value, dict):
        return True
    texts = [value] if isinstance(value, str) else value or ()
    return sum(map(len, texts)) > MAX_CHARACTERS_ON_LOOP
