"""How a call ends, what its taker is told then, and who else is."""

from __future__ import annotations

import math
from urllib.parse import quote

import grpc
import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from app.triton.grpc_client import frames
from app.triton.grpc_client.call import Call, CallEnded
from app.triton.grpc_client.request import header_block
from app.triton.grpc_client.status import CODES, Status, status_of, status_of_reset
from tests.triton.grpc_client.both_ends import TRAILERS, data_frame, headers_frame, said
from tests.triton.grpc_client.lines import framed_all, started

LAST = frames.END_HEADERS | frames.END_STREAM


def end_of(call: Call) -> Status:
    with pytest.raises(CallEnded) as caught:
        call.take(-math.inf)
    return caught.value.status


def test_the_codes_are_those_of_grpc() -> None:
    assert {each.name: each.value[0] for each in grpc.StatusCode} == {
        name: number for number, name in enumerate(CODES)
    }


@given(st.text(max_size=40), st.integers(0, 16))
def test_any_words_of_a_status_are_read(text: str, number: int) -> None:
    fields = {"grpc-status": str(number), "grpc-message": quote(text.encode("utf-8", "replace"))}
    wanted = text.encode("utf-8", "replace").decode()
    assert status_of(fields, "200") == Status(CODES[number], wanted)


@given(st.text(max_size=20), st.text(max_size=40))
def test_no_words_of_a_status_are_an_accident(told: str, text: str) -> None:
    status = status_of({"grpc-status": told, "grpc-message": text}, "200")
    assert status.code in CODES


@pytest.mark.parametrize("told", ["17", "-1", "", "x", "²", "99999999999999999999"])
def test_an_unknown_code_is_called_so(told: str) -> None:
    assert status_of({"grpc-status": told}, "200") == Status("UNKNOWN")


@pytest.mark.parametrize(
    ("http_status", "code"),
    [("200", "UNKNOWN"), ("404", "UNIMPLEMENTED"), ("503", "UNAVAILABLE"), ("", "UNKNOWN")],
)
def test_without_a_status_that_of_http_is_told(http_status: str, code: str) -> None:
    assert status_of({}, http_status).code == code
    assert http_status in status_of({}, http_status).text


@pytest.mark.parametrize(
    ("code", "name"),
    [(0, "INTERNAL"), (2, "INTERNAL"), (7, "UNAVAILABLE"), (8, "CANCELLED"), (2**31, "INTERNAL")],
)
def test_a_reset_is_a_status(code: int, name: str) -> None:
    assert status_of_reset(code).code == name
    _, call = reset_by_the_server(code)
    assert end_of(call) == status_of_reset(code)


def reset_by_the_server(code: int) -> tuple[list[str], Call]:
    line, call = started()
    told: list[str] = []
    call.when_ended(lambda: told.append("ended"))
    line.protocol.receive(frames.reset_frame(1, code))
    line.settle()
    return told, call


def test_what_came_before_the_end_is_still_to_be_taken() -> None:
    line, call = started()
    line.protocol.receive(data_frame(1, framed_all([b"one", b"two"])))
    line.protocol.receive(frames.reset_frame(1, frames.CANCEL))
    assert [call.take(-math.inf), call.take(-math.inf)] == [b"one", b"two"]
    assert end_of(call).code == "CANCELLED"
    assert end_of(call).code == "CANCELLED"


def test_the_end_is_told_once_to_each() -> None:
    told, call = reset_by_the_server(8)
    assert told == ["ended"]
    call.settle()
    call.when_ended(lambda: told.append("late"))
    call.settle()
    assert told == ["ended", "late"]


def test_cancelling_drops_what_waits_and_tells_the_server_once() -> None:
    line, call = started()
    told: list[str] = []
    call.when_ended(lambda: told.append("ended"))
    line.protocol.receive(data_frame(1, framed_all([b"one"])))
    call.cancel()
    call.cancel()
    assert said(line.protocol) == [(frames.RST_STREAM, 0, 1, b"\x00\x00\x00\x08")]
    assert end_of(call) == Status("CANCELLED")
    assert told == ["ended"]


def test_cancelling_what_has_ended_changes_nothing() -> None:
    line, call = started()
    line.protocol.receive(headers_frame(1, TRAILERS, LAST))
    line.settle()
    call.cancel()
    assert said(line.protocol) == []
    assert end_of(call) == Status("OK")


def test_a_server_that_goes_away_makes_it_unavailable() -> None:
    line, call = started()
    line.protocol.receive(frames.goaway_frame(0))
    assert end_of(call).code == "UNAVAILABLE"


def test_whether_taking_would_wait_is_known() -> None:
    line, call = started()
    assert not call.has_waiting()
    line.protocol.receive(data_frame(1, framed_all([b"one", b"two"]) + b"\x00"))
    assert call.has_waiting()
    assert call.num_waiting() == 2
    line.take_all(call)
    assert not call.has_waiting()
    line.protocol.receive(headers_frame(1, TRAILERS, LAST))
    assert call.has_waiting()


def test_the_last_fields_count_and_not_the_first() -> None:
    line, call = started()
    line.protocol.receive(headers_frame(1, [("grpc-status", "9"), ("grpc-message", "n%C3%A4")]))
    line.protocol.receive(headers_frame(1, [("grpc-status", "5"), ("grpc-message", "g")], LAST))
    assert end_of(call) == Status("NOT_FOUND", "g")


@pytest.mark.parametrize(
    ("timeout", "told"), [(0.0004, b"1m"), (1.5, b"1500m"), (1e9, b"99999999m")]
)
def test_the_server_is_told_the_deadline(timeout: float, told: bytes) -> None:
    fields = dict(Decoder().decode(header_block("a:1", "http", "/p", timeout), raw=True))
    assert fields[b"grpc-timeout"] == told
    assert len(told) <= 9, "gRPC allows eight digits and a unit"
