"""A stream's deadlines, its ends, and what is read of answers that have come together."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from app.errors import (
    BackendError,
    BackendModelMissing,
    BackendTimeout,
    BackendUnavailable,
    ClientDisconnected,
    ModelOverloaded,
)
from app.registry import Timeouts
from app.triton import model_stream
from app.triton.address import Address
from app.triton.grpc_client import call, frames
from app.triton.grpc_connection import CHANNELS, GrpcConnection
from app.triton.model_stream import EndOfStream, ModelStream
from tests.live.waiting import LATE
from tests.scripted_triton import ScriptedTriton, error_message, row_message, say, slowly
from tests.triton.grpc_client.both_ends import data_frame, headers_frame
from tests.triton.grpc_client.clocks import Clock
from tests.triton.grpc_client.lines import ProtocolLine, framed_all, started

PATIENT = Timeouts(connect=60, first_token=60, between_tokens=60, total=120)
LAST = frames.END_HEADERS | frames.END_STREAM


def opened(
    timeouts: Timeouts = PATIENT, *, is_cumulative: bool = False
) -> tuple[ProtocolLine, ModelStream]:
    line, call = started()
    return line, ModelStream(call, timeouts, is_cumulative=is_cumulative)


def send(line: ProtocolLine, *messages: Any) -> None:
    line.protocol.receive(data_frame(1, framed_all(each.SerializeToString() for each in messages)))


def end(line: ProtocolLine, code: int = 0, text: str = "") -> None:
    fields = [("grpc-status", str(code)), ("grpc-message", text)]
    line.protocol.receive(headers_frame(1, fields, LAST))
    line.settle()


def row_of(response: Any) -> list[int]:
    found: list[int] = response.output("output_ids").ravel().tolist()
    return found


# An answer's length, and what it says beside its number.
KINDS = st.tuples(st.sampled_from([2, 3]), st.sampled_from([None, False, True]))
BATCHES = st.lists(st.lists(KINDS, max_size=6), max_size=6)


def numbered(batches: list[list[tuple[int, bool | None]]]) -> list[list[tuple[Any, int, Any]]]:
    number, found = 0, []
    for batch in batches:
        found.append([])
        for size, final in batch:
            number += 1
            found[-1].append(
                (row_message([number] * size, size, final=final), number, (size, final))
            )
    return found


@given(BATCHES, st.booleans())
def test_no_answer_is_lost_but_those_that_a_later_one_repeats(
    batches: list[list[tuple[int, bool | None]]], is_cumulative: bool
) -> None:
    line, stream = opened(is_cumulative=is_cumulative)
    read: list[int] = []
    sent: list[tuple[int, Any]] = []
    for batch in numbered(batches):
        send(line, *(each for each, _, _ in batch))
        sent += [(number, kind) for _, number, kind in batch]
        while stream.has_waiting():
            response = stream.next(0)
            assert response is not None
            read.append(row_of(response)[0])
        assert stream.next(0) is None
        assert not batch or read[-1] == batch[-1][1], "the last that has come is always read"
    assert read == sorted(set(read))
    kinds = dict(sent)
    left_out = [number for number in kinds if number not in read]
    assert is_cumulative or not left_out
    assert all(kinds[number] == kinds[number + 1] for number in left_out)


def test_of_answers_that_repeat_each_other_only_the_last_is_read() -> None:
    line, stream = opened(is_cumulative=True)
    send(line, *(row_message([number, 0], 2) for number in range(50)))
    found = []
    while stream.has_waiting():
        found.append(row_of(stream.next(0))[0])
    # Two show how they look; the others need no reading.
    assert found == [0, 1, 49]


def test_the_end_is_told_again_and_again() -> None:
    line, stream = opened()
    send(line, row_message([1], 1))
    end(line)
    assert stream.next(0)
    assert stream.has_waiting()
    for _ in range(2):
        with pytest.raises(EndOfStream):
            stream.next(0)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (5, "", BackendModelMissing),
        (14, "", BackendUnavailable),
        (14, "Exceeds maximum queue size", ModelOverloaded),
        (4, "", BackendTimeout),
        (13, "secret=1", BackendError),
    ],
)
def test_a_status_is_an_error(code: int, text: str, kind: type[Exception]) -> None:
    line, stream = opened()
    end(line, code, text)
    with pytest.raises(kind) as caught:
        stream.next(0)
    assert "secret" not in str(caught.value)
    assert not stream.has_failed


@pytest.mark.parametrize("is_cumulative", [False, True])
def test_the_models_own_failure_is_an_error_behind_what_came_before(is_cumulative: bool) -> None:
    line, stream = opened(is_cumulative=is_cumulative)
    send(line, row_message([1], 1), error_message("boom"))
    assert row_of(stream.next(0)) == [1]
    assert not stream.has_failed
    with pytest.raises(BackendError) as caught:
        stream.next(0)
    assert stream.has_failed
    assert "boom" not in str(caught.value)
    assert "boom" in (caught.value.detail or "")


@pytest.mark.parametrize(
    ("limits", "num_answers", "text"),
    [
        (Timeouts(connect=1, first_token=0.2, between_tokens=9, total=9), 0, "no first token"),
        (Timeouts(connect=1, first_token=9, between_tokens=0.2, total=9), 1, "no further token"),
        (Timeouts(connect=1, first_token=9, between_tokens=9, total=0.2), 1, "not complete"),
        (Timeouts(connect=1, first_token=9, between_tokens=9, total=0.2), 0, "not complete"),
    ],
)
def test_each_deadline_has_its_words(
    limits: Timeouts, num_answers: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(model_stream, monkeypatch, call)
    line, stream = opened(limits)
    send(line, *[row_message([1], 1)] * num_answers)
    for _ in range(num_answers):
        assert stream.next(0)
    assert stream.next(0) is None
    clock.now += 0.25
    with pytest.raises(BackendTimeout) as caught:
        stream.next(0)
    assert text in (caught.value.detail or "")
    assert line.num_suspected == 1


def test_an_answer_that_has_come_counts_even_when_it_is_fetched_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(model_stream, monkeypatch, call)
    line, stream = opened(Timeouts(connect=1, first_token=0.1, between_tokens=0.1, total=9))
    send(line, row_message([1], 1))
    clock.now += 0.15
    assert stream.next(0)
    assert stream.next(0) is None


def test_leaving_is_told_to_the_server_or_not() -> None:
    for leave, wanted in ((ModelStream.cancel, 1), (ModelStream.drain, 0)):
        line, stream = opened()
        ended: list[str] = []
        stream.when_ended(lambda ended=ended: ended.append("ended"))
        leave(stream)
        kinds = [
            each[0] for each in frames.FrameSplitter(2**20).frames(bytes(line.protocol.outgoing))
        ]
        assert kinds.count(frames.RST_STREAM) == wanted
        end(line)
        assert ended == ["ended"]


@pytest.mark.parametrize("client", CHANNELS)
@pytest.mark.parametrize("patience", [0.3, 20])
def test_patience_is_kept_and_interruption_ends_it(
    client: str, patience: float, triton: ScriptedTriton
) -> None:
    triton.script = say(row_message([1], 1), then_silent=2 * LATE)
    stream = GrpcConnection(Address.parse(triton.address), client).stream(a_request(), PATIENT)
    assert stream.next(LATE)
    if patience < 1:
        begun = time.monotonic()
        assert stream.next(patience) is None
        assert patience <= time.monotonic() - begun < patience + LATE
    begun = time.monotonic()
    threading.Timer(0.2, stream.interrupt).start()
    with pytest.raises(ClientDisconnected):
        stream.next(2 * LATE)
    assert time.monotonic() - begun < LATE
    stream.cancel()


def a_request() -> Any:
    return service_pb2.ModelInferRequest(model_name="llm")


@pytest.mark.parametrize("client", CHANNELS)
def test_a_slow_answer_is_read_in_order(client: str, triton: ScriptedTriton) -> None:
    triton.script = slowly(*(row_message([number], 1) for number in range(10)))
    stream = GrpcConnection(Address.parse(triton.address), client).stream(a_request(), PATIENT)
    found = [row_of(stream.next(LATE))[0] for _ in range(10)]
    assert found == list(range(10))
    with pytest.raises(EndOfStream):
        stream.next(LATE)
