"""The vLLM backend: what is sent, and what a model can do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.errors import BackendError
from app.types import StructuredOutput
from tests.backends.language_models import (
    TOKENIZER,
    VLLM_INPUTS,
    VLLM_OUTPUTS,
    serve,
    vllm,
    without,
)
from tests.backends.vllm_jobs import END, OLD_INPUTS, OLD_OUTPUTS, asked, parameters, serve_deltas
from tests.scripted_triton import ScriptedTriton, sent


@pytest.fixture(autouse=True)
def model(triton: ScriptedTriton) -> None:
    serve_deltas(triton)


def test_only_what_was_asked_for_is_in_the_parameters(triton: ScriptedTriton) -> None:
    expected = {"max_tokens": 40, "temperature": 1.0, "top_p": 1.0, "top_k": -1}
    assert parameters(triton) == {**expected, "stop_token_ids": [END]}


def test_everything_that_was_asked_for_is(triton: ScriptedTriton) -> None:
    given = {
        "temperature": 0.5,
        "top_p": 0.25,
        "top_k": 7,
        "min_p": 0.1,
        "seed": 2**64 - 1,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "repetition_penalty": 1.5,
        "min_tokens": 3,
        "ignore_eos": True,
        "bad_words": ("evil",),
        "logprobs": 2,
    }
    fields = {"stop": ("END",), "stop_token_ids": (9,), "skip_special_tokens": False}
    assert parameters(triton, **given, fields=fields) == {
        **given,
        "max_tokens": 40,
        "seed": 2**63 - 1,
        "bad_words": ["evil"],
        "stop": ["END"],
        "include_stop_str_in_output": True,
        "stop_token_ids": [9],
        "skip_special_tokens": False,
    }


@pytest.mark.parametrize("greedy", [{"temperature": 0}, {"top_p": 0, "temperature": 1}])
def test_greedy(triton: ScriptedTriton, greedy: dict[str, Any]) -> None:
    found = parameters(triton, **greedy, top_k=5)
    assert found["temperature"] == 0
    assert not {"top_p", "top_k"} & set(found)


def test_bans_allow_all_others(triton: ScriptedTriton) -> None:
    """JSON cannot write the numbers that the keys of vLLM's logit_bias are."""
    found = parameters(triton, logit_bias={0: -100.0, 50: -100.0, 51: 0.0})
    assert found["allowed_token_ids"] == [token for token in range(100) if token not in (0, 50)]
    assert "logit_bias" not in found
    assert vllm(triton).capabilities().has_bans_only


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("json_object", None, {"json_object": True}),
        ("json_schema", {"type": "integer"}, {"json": {"type": "integer"}}),
        ("regex", "[0-9]+", {"regex": "[0-9]+"}),
        ("choice", ["a", "b"], {"choice": ["a", "b"]}),
        ("grammar", "root ::= [0-9]", {"grammar": "root ::= [0-9]"}),
        ("structural_tag", {"type": "x"}, {"structural_tag": '{"type": "x"}'}),
    ],
)
@pytest.mark.parametrize("is_new", [True, False])
def test_structured_output(
    triton: ScriptedTriton, is_new: bool, kind: str, value: Any, expected: Any
) -> None:
    inputs = VLLM_INPUTS if is_new else without(VLLM_INPUTS, "embedding_request")
    serve(triton, inputs, VLLM_OUTPUTS, max_batch_size=0)
    assert kind in vllm(triton).capabilities().structures
    found = parameters(triton, structured_output=StructuredOutput(kind, value, "response_format"))
    key, other = ("structured_outputs", "guided_decoding")[:: 1 if is_new else -1]
    assert json.loads(found[key]) == expected
    assert other not in found


def test_the_models_defaults(triton: ScriptedTriton) -> None:
    hello = tuple(TOKENIZER.encode("hello"))
    served = vllm(
        triton,
        temperature=0.5,
        repetition_penalty=1.25,
        end_ids=(70,),
        stop_words=(hello, (71,)),
        bad_words=(hello,),
    )
    list(served.generate(asked()))
    found = json.loads(sent(triton.requests[-1])["sampling_parameters"][1][0])
    assert found["temperature"] == 0.5
    assert found["repetition_penalty"] == 1.25
    assert found["stop_token_ids"] == [END, 70, 71]
    assert found["stop"] == ["hello"]
    assert found["bad_words"] == ["hello"]


def test_capabilities(triton: ScriptedTriton) -> None:
    found = vllm(triton).capabilities()
    assert found.takes_text
    assert found.max_top_logprobs == 20
    taken = {"min_p", "seed", "logprobs", "skip_special_tokens", "stop_token_ids"}
    assert taken <= found.fields
    assert {"beam_width", "length_penalty"} <= set(found.reasons)


def test_capabilities_of_23_10(triton: ScriptedTriton) -> None:
    serve(triton, OLD_INPUTS, OLD_OUTPUTS, max_batch_size=0)
    found = vllm(triton).capabilities()
    lacking = {"seed", "min_tokens", "bad_words", "logit_bias", "structured_output", "logprobs"}
    assert not lacking & found.fields
    assert lacking <= set(found.reasons)
    assert (found.max_top_logprobs, found.structures) == (0, frozenset())


def test_a_model_that_cannot_serve(triton: ScriptedTriton) -> None:
    serve(triton, without(VLLM_INPUTS, "sampling_parameters"), VLLM_OUTPUTS)
    with pytest.raises(BackendError):
        vllm(triton).check_contract()
