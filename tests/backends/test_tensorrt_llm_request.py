"""TensorRT-LLM by token ids: what is sent, and what a model can do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.errors import BackendError, UnsupportedParameter
from app.types import StructuredOutput
from tests.backends.jobs import PROMPT, job
from tests.backends.language_models import (
    TEXT_INPUTS,
    TEXT_OUTPUTS,
    TRT_INPUTS,
    TRT_OUTPUTS,
    answered,
    ids_message,
    serve,
    tensorrt_llm,
    text_message,
    without,
)
from tests.scripted_triton import ScriptedTriton, error_message, say, sent

GUIDES = tuple(
    (name, "BYTES", [1], True) for name in ("guided_decoding_guide_type", "guided_decoding_guide")
)
V05_INPUTS = (
    ("input_ids", "INT32", [-1], False),
    ("input_lengths", "INT32", [1], False),
    ("request_output_len", "UINT32", [1], False),
    ("end_id", "UINT32", [1], True),
    ("runtime_top_k", "UINT32", [1], True),
    ("runtime_top_p", "FP32", [1], True),
    ("temperature", "FP32", [1], True),
    ("random_seed", "UINT64", [1], True),
    ("streaming", "BOOL", [1], True),
    ("stop", "BOOL", [1], False),
)
DELTAS = (ids_message([50]), ids_message([51, 52]), ids_message([53, 2]))


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve(triton, TRT_INPUTS, TRT_OUTPUTS)
    triton.script = say(*DELTAS)


def tensors(triton: ScriptedTriton, **fields: Any) -> dict[str, tuple[str, Any]]:
    """What a job sends."""
    list(tensorrt_llm(triton).generate(job(**fields)))
    return sent(triton.requests[-1])


def test_a_requests_tensors(triton: ScriptedTriton) -> None:
    values = tensors(
        triton,
        temperature=0.7,
        top_p=0.9,
        top_k=5,
        seed=7,
        presence_penalty=0.5,
        frequency_penalty=0.25,
        min_tokens=3,
    )
    assert values["input_ids"] == ("INT32", [list(PROMPT)])
    assert values["input_lengths"] == ("INT32", [[4]])
    assert values["request_output_len"] == ("INT32", [[8]])
    assert values["end_id"] == ("INT32", [[2]])
    assert values["streaming"] == ("BOOL", [[True]])
    assert values["runtime_top_k"] == ("INT32", [[5]])
    assert values["random_seed"] == ("UINT64", [[7]])
    assert values["min_length"] == ("INT32", [[3]])
    assert values["presence_penalty"] == ("FP32", [[0.5]])
    assert values["frequency_penalty"] == ("FP32", [[0.25]])
    assert "stop" not in values
    assert "return_log_probs" not in values


def test_a_seed_is_always_sent_and_never_the_same(triton: ScriptedTriton) -> None:
    """NVIDIA/TensorRT-LLM issue 1000: without one every answer is the same."""
    assert tensors(triton)["random_seed"] != tensors(triton)["random_seed"]


@pytest.mark.parametrize("greedy", [{"temperature": 0}, {"top_p": 0}])
def test_greedy_is_the_first_of_one(triton: ScriptedTriton, greedy: dict[str, Any]) -> None:
    values = tensors(triton, **greedy)
    assert values["runtime_top_k"][1] == [[1]]
    assert "temperature" not in values
    assert "runtime_top_p" not in values


def test_greedy_with_logprobs_is_the_smallest_nucleus(triton: ScriptedTriton) -> None:
    """Within the first of one every token has probability 1."""
    triton.script = say(ids_message([2], output_log_probs=("FP32", [[[-1.0]]])))
    values = tensors(triton, temperature=0, logprobs=0)
    assert values["runtime_top_k"][1] == [[0]]
    assert 0 < values["runtime_top_p"][1][0][0] < 1e-5


def test_the_models_defaults(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(
        triton,
        temperature=0.5,
        top_p=0.25,
        top_k=9,
        repetition_penalty=1.5,
        bad_words=((4, 5),),
        end_ids=(70,),
        extra_inputs={"min_length": 2},
    )
    list(served.generate(job()))
    values = sent(triton.requests[-1])
    found = [values[name][1] for name in ("temperature", "runtime_top_p", "runtime_top_k")]
    assert found == [[[0.5]], [[0.25]], [[9]]]
    assert values["repetition_penalty"][1] == [[1.5]]
    assert values["bad_words_list"] == ("INT32", [[[4, 5], [2, -1]]])
    assert values["stop_words_list"] == ("INT32", [[[70], [1]]])
    assert values["min_length"][1] == [[2]]


def test_biases_are_weights_of_the_whole_vocabulary(triton: ScriptedTriton) -> None:
    datatype, rows = tensors(triton, logit_bias={0: -100.0, 7: 2.5})["embedding_bias"]
    expected = np.zeros((1, 100), np.float32)
    expected[0, [0, 7]] = -100, 2.5
    assert datatype == "FP32"
    assert np.array_equal(rows, expected)


def test_biases_of_a_vocabulary_that_was_padded(triton: ScriptedTriton) -> None:
    inputs = [*without(TRT_INPUTS, "embedding_bias"), ("embedding_bias", "FP32", [128], True)]
    serve(triton, inputs, TRT_OUTPUTS)
    assert np.shape(tensors(triton, logit_bias={7: 2.5})["embedding_bias"][1]) == (1, 128)


def test_bans_alone_are_bad_words(triton: ScriptedTriton) -> None:
    values = tensors(triton, logit_bias={7: -100.0, 8: 0.0})
    assert values["bad_words_list"][1] == [[[7], [1]]]
    assert "embedding_bias" not in values
    assert "embedding_bias" in tensors(triton, logit_bias={0: -100.0}), "bad words leave token 0"


def test_bans_without_biases(triton: ScriptedTriton) -> None:
    serve(triton, without(TRT_INPUTS, "embedding_bias"), TRT_OUTPUTS)
    assert tensorrt_llm(triton).capabilities().has_bans_only
    assert tensors(triton, logit_bias={7: -100.0})["bad_words_list"][1] == [[[7], [1]]]
    with pytest.raises(UnsupportedParameter, match="token 0"):
        tensors(triton, logit_bias={0: -100.0})


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("json_object", None, ["json_schema", '{"type": "object"}']),
        ("json_schema", {"type": "integer"}, ["json_schema", '{"type": "integer"}']),
        ("regex", "[0-9]+", ["regex", "[0-9]+"]),
        ("choice", ["a b", "c.d"], ["regex", r"(a b|c\.d)"]),
        ("grammar", "root ::= [0-9]", ["ebnf_grammar", "root ::= [0-9]"]),
    ],
)
def test_structured_output(
    triton: ScriptedTriton, kind: str, value: Any, expected: list[str]
) -> None:
    serve(triton, [*TRT_INPUTS, *GUIDES], TRT_OUTPUTS)
    assert kind in tensorrt_llm(triton).capabilities().structures
    values = tensors(triton, structured_output=StructuredOutput(kind, value, "response_format"))
    assert [values[name] for name, *_ in GUIDES] == [("BYTES", [[text]]) for text in expected]


def test_version_0_5(triton: ScriptedTriton) -> None:
    """Unsigned scalars, a flag that is required, and no lengths in the answer."""
    serve(triton, V05_INPUTS, {"output_ids": "INT32"})
    triton.script = say(*(ids_message(ids, with_length=False) for ids in ([50], [51], [2])))
    served = tensorrt_llm(triton)
    served.check_contract()
    assert answered(served, job(ignore_eos=True))[0] == [50, 51, 2]
    values = sent(triton.requests[-1])
    assert values["request_output_len"] == ("UINT32", [[8]])
    assert values["end_id"] == ("UINT32", [[2**32 - 1]])
    assert values["stop"] == ("BOOL", [[False]])


def test_newer_names(triton: ScriptedTriton) -> None:
    inputs = without(TRT_INPUTS, "random_seed", "min_length")
    newer = [("seed", "UINT64", [1], True), ("min_tokens", "INT32", [1], True)]
    serve(triton, [*inputs, *newer], TRT_OUTPUTS)
    values = tensors(triton, seed=7, min_tokens=3)
    assert values["seed"] == ("UINT64", [[7]])
    assert values["min_tokens"] == ("INT32", [[3]])


# ---- what it can do


def test_capabilities_follow_the_declared_inputs(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(triton)
    found = served.capabilities()
    assert {"min_tokens", "logit_bias", "logprobs", "beam_width", "bad_words"} <= found.fields
    assert "structured_output" not in found.fields
    assert found.structures == frozenset()
    assert not found.takes_text


def test_reasons_say_what_is_missing(triton: ScriptedTriton) -> None:
    serve(triton, V05_INPUTS, {"output_ids": "INT32"})
    found = tensorrt_llm(triton).capabilities()
    assert found.fields == {"temperature", "top_p", "top_k", "seed", "ignore_eos"}
    assert found.reasons["bad_words"] == "the model in Triton declares no input bad_words_list"
    assert "min_length" in found.reasons["min_tokens"]
    assert {"logit_bias", "logprobs", "min_p", "structured_output"} <= set(found.reasons)


@pytest.mark.parametrize(
    "inputs",
    [
        without(TRT_INPUTS, "request_output_len"),
        [*TRT_INPUTS, ("session", "INT32", [1], False)],
        [("prompt", "BYTES", [1], False)],
    ],
)
def test_a_model_that_cannot_serve(triton: ScriptedTriton, inputs: Any) -> None:
    serve(triton, inputs, TRT_OUTPUTS)
    with pytest.raises(BackendError):
        tensorrt_llm(triton).check_contract()


def test_a_model_that_has_become_one_of_text(triton: ScriptedTriton) -> None:
    served = tensorrt_llm(triton)
    assert answered(served, job())[0] == [50, 51, 52, 53]

    def script(request: Any, _: Any) -> Any:
        if "text_input" in sent(request):
            yield text_message("hello")
        else:
            yield error_message("unexpected inference input 'input_ids' for model 'llm'")

    serve(triton, TEXT_INPUTS, TEXT_OUTPUTS)
    triton.script = script
    assert answered(served, job())[0] == "hello"
