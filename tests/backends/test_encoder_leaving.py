"""A request that is called off gives its place back, though its Triton goes on with the batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.backends.embedding import Embedding
from app.cancellation import Cancellation
from app.errors import ApiError, BackendUnavailable, ClientDisconnected
from app.registry import Timeouts
from app.types import RequestContext
from tests.backends.encoders import embedding
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedHttpTriton, token_vectors

PATIENT = Timeouts(connect=60, first_token=120, between_tokens=120, total=120)
SOON = 60.0
# More than a connection has threads to ask with, where there is no event loop.
MANY = 20


@pytest.fixture
def busy(http_triton: ScriptedHttpTriton) -> Iterator[ScriptedHttpTriton]:
    """A Triton whose model does not come to an end while the test runs."""
    may_end = threading.Event()

    def infer(tensors: dict[str, Any]) -> Any:
        may_end.wait(120)
        return token_vectors(tensors)

    http_triton.infer = infer
    yield http_triton
    may_end.set()


class Asking:
    """A request in a thread of its own."""

    def __init__(self, served: Embedding, num_rows: int = 1) -> None:
        self.cancellation = Cancellation()
        self.error: ApiError | None = None
        self._served = served
        self._num_rows = num_rows
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        try:
            self._served.embed([[7]] * self._num_rows, RequestContext("a", self.cancellation))
        except ApiError as error:
            self.error = error

    def ended(self) -> ApiError | None:
        """What it raised."""
        self._thread.join(SOON)
        assert not self._thread.is_alive()
        return self.error


@pytest.mark.parametrize("num_batches", [1, 3, 12])
def test_all_its_batches_are_given_up(busy: ScriptedHttpTriton, num_batches: int) -> None:
    asking = Asking(embedding(busy, timeouts=PATIENT), num_rows=4 * num_batches)
    num_sent = min(num_batches, 8)
    wait_until(lambda: len(busy.batches) == num_sent, "the batches at Triton", SOON)
    asking.cancellation.cancel()
    assert isinstance(asking.ended(), ClientDisconnected)
    assert len(busy.batches) == num_sent


def test_those_that_wait_for_a_connection_are_given_up(busy: ScriptedHttpTriton) -> None:
    served = embedding(busy, timeouts=PATIENT)
    asking = [Asking(served) for _ in range(MANY)]
    wait_until(lambda: len(busy.batches) == 16, "what can be asked at once", SOON)
    for each in reversed(asking):
        each.cancellation.cancel()
        assert isinstance(each.ended(), ClientDisconnected)


def test_the_reason_is_told(busy: ScriptedHttpTriton) -> None:
    asking = Asking(embedding(busy, timeouts=PATIENT))
    wait_until(lambda: bool(busy.batches), "the batch at Triton", SOON)
    asking.cancellation.cancel(BackendUnavailable("the server is about to end"))
    error = asking.ended()
    assert isinstance(error, BackendUnavailable)
    assert error.message == "the server is about to end"


def test_leaving_says_nothing_of_triton(busy: ScriptedHttpTriton) -> None:
    """Neither a second question nor a pause, and the next one is answered."""
    served = embedding(busy, timeouts=PATIENT)
    for number in range(10):
        asking = Asking(served)
        wait_until(lambda: len(busy.batches) == number + 1, "the batch at Triton", SOON)  # noqa: B023  # called here only
        asking.cancellation.cancel(BackendUnavailable("the server is about to end"))
        asking.ended()
    busy.infer = token_vectors
    assert len(served.embed([[7]], RequestContext("b"))) == 1
    assert len(busy.batches) == 11


def test_one_that_is_called_off_too_late_is_answered(http_triton: ScriptedHttpTriton) -> None:
    """And nothing of it stays with who could call it off."""
    served, cancellation = embedding(http_triton), Cancellation()
    assert len(served.embed([[7]], RequestContext("a", cancellation))) == 1
    assert not cancellation._callbacks
    cancellation.cancel()
    assert len(served.embed([[7]], RequestContext("b"))) == 1
