"""How requests of several continuations end."""

from __future__ import annotations

import pytest

from app.cancellation import Cancellation
from app.errors import ClientDisconnected
from tests.backends.jobs import EndCounter, backend
from tests.backends.test_fastertransformer_batches import PADDED, batch
from tests.live.waiting import wait_until
from tests.scripted_triton import ScriptedTriton, model_config, say


def test_a_batch_ends_its_place_once(triton: ScriptedTriton) -> None:
    triton.script = say(*PADDED)
    counter = EndCounter()
    list(backend(triton).generate(batch(max_tokens=6, when_ended=counter)))
    assert triton.ended.wait(60)
    wait_for(counter)


def wait_for(counter: EndCounter) -> None:
    wait_until(lambda: counter.num_calls == 1, "the end of the call")
    assert counter.num_calls == 1


def test_the_call_goes_on_while_one_row_does(triton: ScriptedTriton) -> None:
    triton.config = model_config(backend="python")
    triton.script = say(*PADDED[:3], then_silent=60)
    cancellation, counter = Cancellation(), EndCounter()
    served = backend(triton).generate(
        batch(max_tokens=6, cancellation=cancellation, when_ended=counter)
    )
    parts = [next(served) for _ in range(6)]
    assert [part.row for part in parts if part.finish_reason] == [0]
    assert counter.num_calls == 0
    cancellation.cancel()
    with pytest.raises(ClientDisconnected):
        list(served)
    assert triton.cancelled.wait(60)
    wait_for(counter)


def test_rows_that_have_all_ended_by_themselves_are_not_cancelled(triton: ScriptedTriton) -> None:
    triton.config = model_config(backend="python")
    triton.script = say(*PADDED, then_silent=0.3)
    counter = EndCounter()
    list(backend(triton).generate(batch(max_tokens=6, when_ended=counter)))
    assert triton.ended.wait(60)
    assert not triton.cancelled.is_set()
    wait_for(counter)


def test_rows_that_are_left_early_are_cancelled(triton: ScriptedTriton) -> None:
    triton.config = model_config(backend="python")
    triton.script = say(*PADDED[:2], then_silent=60)
    served = backend(triton).generate(batch(max_tokens=6))
    next(served)
    served.close()
    assert triton.cancelled.wait(60)
