"""The parts of the peers: what is measured beside the gateway must be right and not crippled."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tritonclient.grpc import service_pb2

from benchmarks.peers import litellm_proxy
from benchmarks.peers.chat_models import Usage
from benchmarks.peers.chunk_writers import WRITERS, Names
from benchmarks.peers.fastertransformer import ModelError, NewIds, Prompt, infer_request
from benchmarks.peers.figures import Figures, summary
from benchmarks.peers.servers import PEERS, Place
from benchmarks.peers.text_stream import Detokenizer, StopStrings
from benchmarks.places import CHAT_FOLDER
from benchmarks.plans import BASELINE, BASELINE_ORJSON, INFINITY, LITELLM, ROUTER

TOKENIZER = Tokenizer.from_file(str(CHAT_FOLDER / "tokenizer.json"))
PROMPT = [7, 8, 9]
END_ID = 2

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)


def message(ids: list[int], width: int) -> service_pb2.ModelStreamInferResponse:
    """What FasterTransformer sends after these new ids."""
    row = [*PROMPT, *ids, *[END_ID] * (width - len(ids))]
    found = service_pb2.ModelStreamInferResponse()
    values = {"sequence_length": [len(PROMPT) + len(ids)], "output_ids": row}
    for name, numbers in values.items():
        found.infer_response.outputs.add(name=name, datatype="UINT32", shape=[1, 1, len(numbers)])
        raw = b"".join(number.to_bytes(4, "little") for number in numbers)
        found.infer_response.raw_output_contents.append(raw)
    return found


@given(st.lists(st.integers(3, 2**31), max_size=40), st.lists(st.integers(0, 40)))
def test_new_ids_of_all_messages_are_the_answer(ids: list[int], cuts: list[int]) -> None:
    ends = sorted({min(cut, len(ids)) for cut in cuts} | {len(ids)})
    new = NewIds(len(PROMPT))
    found = [new.of(message(ids[:end], len(ids))).tolist() for end in ends]
    assert [token_id for part in found for token_id in part] == ids
    assert [len(part) for part in found[1:]] == [last - first for first, last in pairwise(ends)]


def test_an_error_of_triton_is_raised() -> None:
    with pytest.raises(ModelError, match="no room"):
        NewIds(3).of(service_pb2.ModelStreamInferResponse(error_message="no room"))


def test_a_request_has_the_tensors_of_the_contract() -> None:
    request = infer_request("ft", Prompt(PROMPT, 5, {"end_id": END_ID, "temperature": 0.5}))
    found = {each.name: (each.datatype, list(each.shape)) for each in request.inputs}
    assert found == {
        "input_ids": ("UINT32", [1, 3]),
        "input_lengths": ("UINT32", [1, 1]),
        "request_output_len": ("UINT32", [1, 1]),
        "end_id": ("UINT32", [1, 1]),
        "temperature": ("FP32", [1, 1]),
    }
    assert request.raw_input_contents[2] == (5).to_bytes(4, "little")


@given(texts, st.integers(1, 4))
def test_streamed_tokens_make_the_text(text: str, step: int) -> None:
    ids = TOKENIZER.encode(text, add_special_tokens=False).ids
    whole = TOKENIZER.decode(ids, skip_special_tokens=True)
    stream = Detokenizer(TOKENIZER, TOKENIZER.encode("user\n").ids)
    parts = [stream.push(ids[start : start + step]) for start in range(0, len(ids), step)]
    assert "".join(parts) + stream.flush() == whole


def test_half_a_character_comes_out_at_the_end() -> None:
    ids = TOKENIZER.encode("ok 🦜", add_special_tokens=False).ids[:-1]
    stream = Detokenizer(TOKENIZER, PROMPT)
    certain = "".join(stream.push([token_id]) for token_id in ids)
    assert "\ufffd" not in certain
    assert certain + stream.flush() == TOKENIZER.decode(ids)


@given(st.text("ab", max_size=30), st.text("ab", min_size=1, max_size=4), st.integers(1, 5))
def test_a_stop_string_is_found_across_pieces(text: str, stop: str, step: int) -> None:
    stops = StopStrings([stop])
    found = ""
    for start in range(0, len(text), step):
        found += stops.push(text[start : start + step])
        assert text.startswith(found)
        if stops.is_stopped:
            break
    assert found + stops.flush() == text.partition(stop)[0]
    assert stops.is_stopped == (stop in text)


@given(texts)
def test_both_writers_say_the_same(text: str) -> None:
    names = Names("ft")
    writers = [writer(names) for writer in WRITERS.values()]
    usage = Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    for events in (
        [each.delta({"content": text}) for each in writers],
        [each.delta({}, "stop") for each in writers],
        [each.usage(usage) for each in writers],
    ):
        assert all(event[:6] in ("data: ", b"data: ") and len(event) > 8 for event in events)
        first, *others = [json.loads(event[6:]) for event in events]
        assert all(other == first for other in others)


def test_percentiles_are_samples() -> None:
    figures = Figures()
    figures.gaps.extend(number / 1000 for number in range(1, 101))
    found = summary(figures.gaps)
    assert found == pytest.approx({"p50": 50, "p95": 95, "p99": 99, "max": 100, "mean": 50.5})
    assert summary(figures.ttft) == dict.fromkeys(found)


def test_time_after_the_deadline_does_not_count() -> None:
    figures = Figures()
    figures.started -= 1
    report = json.loads(figures.as_json(figures.started + 0.5, tokens_seen=7))
    assert report["seconds"] == pytest.approx(0.5)
    assert report["tokens_seen"] == 7


def test_litellm_knows_every_model_and_only_the_upstream(tmp_path: Path) -> None:
    path = litellm_proxy.write_configuration(tmp_path / "c", "http://127.0.0.1:1", ["a", "b"])
    models = json.loads(path.read_text())["model_list"]
    assert [each["model_name"] for each in models] == ["a", "b"]
    assert {each["litellm_params"]["api_base"] for each in models} == {"http://127.0.0.1:1/v1"}


def test_every_peer_of_the_plans_listens_where_it_is_told(tmp_path: Path) -> None:
    assert set(PEERS) == {BASELINE, BASELINE_ORJSON, LITELLM, ROUTER, INFINITY}
    place = Place(4711, "127.0.0.1:1", "http://127.0.0.1:2", tmp_path, ["ft"])
    for peer in PEERS.values():
        assert peer.command(place)[peer.command(place).index("--port") + 1] == "4711"
        assert (Path("benchmarks/requirements") / f"{peer.environment}.in").exists()
