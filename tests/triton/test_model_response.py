"""Answers read from their bytes are what protobuf makes of them, however often they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tritonclient.grpc import service_pb2

from app.errors import BackendError
from app.triton.model_response import LaidOutResponse, ParsedResponse, ResponseReader
from tests.scripted_triton import error_message, message, row_message

NUMBERS = {"UINT32": 2**32 - 1, "INT32": 2**31 - 1, "UINT64": 2**64 - 1, "UINT8": 255, "FP32": 9}
NAMES = ("output_ids", "sequence_length", "scores", "text")


@st.composite
def outputs(draw: st.DrawFn) -> Mapping[str, tuple[str, Any]]:
    """Some outputs of small shapes, so that some messages look alike."""
    found: dict[str, tuple[str, Any]] = {}
    for name in draw(st.sampled_from([NAMES, NAMES[:1], NAMES[1:3], ()])):
        if name == "text":
            texts = st.lists(st.sampled_from([b"", b"abc", "ü".encode(), b"xyz"]), max_size=2)
            found[name] = "BYTES", np.array(draw(texts), object)
        else:
            datatype = draw(st.sampled_from(sorted(NUMBERS)))
            size = draw(st.sampled_from([1, 3]))
            values = st.lists(st.integers(0, NUMBERS[datatype]), min_size=size, max_size=size)
            found[name] = datatype, [draw(values)]
    return found


MESSAGES = st.lists(
    st.builds(lambda found, final: message(found, final=final), outputs(), st.booleans()),
    min_size=1,
    max_size=4,
).flatmap(lambda few: st.lists(st.sampled_from(few), min_size=1, max_size=12))


def parsed(raw: bytes) -> ParsedResponse:
    return ParsedResponse(service_pb2.ModelStreamInferResponse.FromString(raw).infer_response)


def check_same(found: Any, wanted: ParsedResponse) -> None:
    for name in (*NAMES, "absent"):
        ours, theirs = found.output(name), wanted.output(name)
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            assert ours.tolist() == theirs.tolist()
            assert not ours.flags.writeable or ours.dtype == object
    assert found.parameters == wanted.parameters


@given(MESSAGES)
def test_every_message_is_read_as_protobuf_reads_it(messages: list[Any]) -> None:
    reader = ResponseReader()
    for each in messages:
        raw = each.SerializeToString()
        error, response = reader.read(raw)
        assert error == ""
        check_same(response, parsed(raw))


def integers_of(response: Any, name: str, start: int, stop: int) -> list[int] | str:
    try:
        found: list[int] = response.integers(name, start, stop)
    except BackendError:
        return "refused"
    return found


@given(MESSAGES, st.sampled_from([*NAMES, "absent"]), st.integers(0, 5), st.integers(0, 5))
def test_integers_are_the_same_from_every_answer(
    messages: list[Any], name: str, start: int, stop: int
) -> None:
    reader = ResponseReader()
    for each in messages:
        raw = each.SerializeToString()
        _, response = reader.read(raw)
        wanted = integers_of(parsed(raw), name, start, stop)
        assert integers_of(response, name, start, stop) == wanted


def test_what_comes_three_times_is_parsed_twice() -> None:
    reader = ResponseReader()
    kinds = [
        type(reader.read(row_message([1, 2, number], 3).SerializeToString())[1])
        for number in range(4)
    ]
    assert kinds == [ParsedResponse, ParsedResponse, LaidOutResponse, LaidOutResponse]


@given(MESSAGES, st.data())
def test_those_that_are_alike_differ_in_contents_only(
    messages: list[Any], data: st.DataObject
) -> None:
    reader = ResponseReader()
    raws = [each.SerializeToString() for each in messages]
    for raw in raws:
        reader.read(raw)
    first, second = data.draw(st.sampled_from(raws)), data.draw(st.sampled_from(raws))
    if reader.are_alike(first, second):
        assert shell(first) == shell(second)


def shell(raw: bytes) -> Any:
    """A message without its contents."""
    found = service_pb2.ModelStreamInferResponse.FromString(raw)
    sizes = [len(each) for each in found.infer_response.raw_output_contents]
    del found.infer_response.raw_output_contents[:]
    return found, sizes


def test_the_last_one_is_not_like_those_before() -> None:
    reader = ResponseReader()
    raws = [
        row_message([1, 2, number], 3, final=number == 9).SerializeToString()
        for number in (1, 2, 3, 9)
    ]
    for raw in raws[:3]:
        reader.read(raw)
    assert reader.are_alike(raws[0], raws[2])
    assert not reader.are_alike(raws[2], raws[3])


def test_an_error_is_told_each_time() -> None:
    reader = ResponseReader()
    raw = error_message("a failure").SerializeToString()
    assert [reader.read(raw)[0] for _ in range(4)] == ["a failure"] * 4


VARINTS = bytes([3 << 3, 1]) * 2


@given(st.one_of(st.binary(max_size=60), st.just(row_message([1, 2], 2).SerializeToString())))
@example(VARINTS)
@example(bytes([3 << 3, 0x12, 3 << 3, 1]) * 3)
@example(bytes([3 << 3 | 1]) + b"12345678" + bytes([3 << 3 | 5]) + b"1234" + VARINTS)
@example(b"\x1b\x08\x01\x1c" + VARINTS)
def test_any_bytes_are_an_answer_or_refused(raw: bytes) -> None:
    reader = ResponseReader()
    for _ in range(3):
        try:
            _, response = reader.read(raw)
            wanted = parsed(raw)
        except BackendError:
            continue
        check_or_refused(response, wanted)


def check_or_refused(response: Any, wanted: ParsedResponse) -> None:
    try:
        for name in NAMES:
            wanted.output(name)
    except BackendError:
        return
    check_same(response, wanted)


@pytest.mark.parametrize("field", [bytes([9 << 3, 0x32]), bytes([9 << 3 | 5]) + b"\x32\x04ab"])
def test_fields_that_newer_servers_add_change_nothing(field: bytes) -> None:
    reader = ResponseReader()
    for number in range(5):
        inner = field + row_message([1, 2, number], 3).infer_response.SerializeToString()
        raw = bytes([2 << 3 | 2, len(inner)]) + inner
        _, response = reader.read(raw)
        check_same(response, parsed(raw))


@pytest.mark.parametrize(
    ("shape", "size"), [([1, 3], 8), ([1, 2], 12), ([-1, -2], 8), ([2**40], 8)]
)
def test_contents_of_another_size_are_a_failure_each_time(shape: list[int], size: int) -> None:
    reader = ResponseReader()
    answer = message({})
    answer.infer_response.outputs.add(name="output_ids", datatype="UINT32", shape=shape)
    answer.infer_response.raw_output_contents.append(bytes(size))
    for _ in range(4):
        _, response = reader.read(answer.SerializeToString())
        with pytest.raises(BackendError, match="failed"):
            response.output("output_ids")
