"""Whose inputs a model declares, and what is told where the configuration says another backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.backends.contract_kinds import contract_kind
from app.backends.fastertransformer import FasterTransformer
from app.backends.generation import GenerationBackend
from app.errors import BackendError
from app.triton.contract import contract_from_config
from app.triton.model_replicas import language_replicas
from tests.backends.language_models import (
    TEXT_INPUTS,
    TEXT_OUTPUTS,
    TOKENIZER,
    TRT_INPUTS,
    TRT_OUTPUTS,
    VLLM_INPUTS,
    VLLM_OUTPUTS,
    spec,
    tensorrt_llm,
    vllm,
    without,
)
from tests.scripted_triton import LLAMA_INPUTS, LLAMA_OUTPUTS, ScriptedTriton, model_config


def fastertransformer(triton: ScriptedTriton) -> FasterTransformer:
    found = spec(triton)
    return FasterTransformer(found, language_replicas(found), TOKENIZER)


BACKENDS: dict[str, Callable[[ScriptedTriton], GenerationBackend]] = {
    "fastertransformer": fastertransformer,
    "tensorrt_llm": tensorrt_llm,
    "vllm": vllm,
}
SIGNED_LLAMA = [
    (name, "INT32" if datatype == "UINT32" else datatype, dims, is_optional)
    for name, datatype, dims, is_optional in LLAMA_INPUTS
]
V05_TYPES = ("request_output_len", "end_id", "beam_width", "runtime_top_k")
TRT_V05 = [
    (name, "UINT32" if name in V05_TYPES else datatype, dims, is_optional)
    for name, datatype, dims, is_optional in TRT_INPUTS
]
MODELS: list[tuple[str, Any, Any]] = [
    ("fastertransformer", LLAMA_INPUTS, LLAMA_OUTPUTS),
    ("fastertransformer", LLAMA_INPUTS[:3], LLAMA_OUTPUTS),
    ("fastertransformer", SIGNED_LLAMA, LLAMA_OUTPUTS),
    ("tensorrt_llm", TRT_INPUTS, TRT_OUTPUTS),
    ("tensorrt_llm", TRT_V05, {"output_ids": "INT32"}),
    ("tensorrt_llm", TEXT_INPUTS, TEXT_OUTPUTS),
    ("vllm", VLLM_INPUTS, VLLM_OUTPUTS),
]
NAMES = {
    "fastertransformer": "a FasterTransformer model",
    "tensorrt_llm": "a TensorRT-LLM model",
    "vllm": "a vLLM model",
}


def kind_of(inputs: Any, backend: str = "python") -> str | None:
    return contract_kind(contract_from_config(model_config(inputs, backend=backend)))


@pytest.mark.parametrize(("kind", "inputs", "outputs"), MODELS)
@pytest.mark.parametrize("configured", BACKENDS)
def test_the_backend_that_a_model_needs_is_named(
    triton: ScriptedTriton, kind: str, inputs: Any, outputs: Any, configured: str
) -> None:
    triton.config = model_config(inputs, outputs=outputs, backend="python")
    served = BACKENDS[configured](triton)
    if configured == kind:
        served.check_contract()
        served.capabilities()
        return
    for ask in (served.check_contract, served.capabilities):
        with pytest.raises(BackendError) as caught:
            ask()
        expected = f'these are the inputs of {NAMES[kind]}; set "backend": "{kind}"'
        assert expected in str(caught.value.detail)


@pytest.mark.parametrize("configured", ["fastertransformer", "tensorrt_llm"])
def test_a_model_that_might_be_either_is_taken(triton: ScriptedTriton, configured: str) -> None:
    inputs = [each for each in SIGNED_LLAMA if each[0] not in ("start_id", "is_return_log_probs")]
    inputs = without(inputs, "prompt_learning_task_name_ids")
    triton.config = model_config(inputs, outputs=LLAMA_OUTPUTS, backend="python")
    assert kind_of(inputs) is None
    BACKENDS[configured](triton).check_contract()


def test_the_name_of_the_backend_in_triton_decides() -> None:
    inputs = [each for each in SIGNED_LLAMA if each[0] not in ("start_id", "is_return_log_probs")]
    inputs = without(inputs, "prompt_learning_task_name_ids")
    assert kind_of(inputs, "fastertransformer") == "fastertransformer"
    assert kind_of(inputs, "tensorrtllm") == "tensorrt_llm"


@pytest.mark.parametrize(
    "inputs",
    [
        [("input_ids", "INT64", [-1], False), ("attention_mask", "INT64", [-1], False)],
        [("text_input", "BYTES", [1], False)],
        [("prompt", "BYTES", [1], False)],
    ],
)
def test_inputs_of_no_contract(inputs: Any) -> None:
    assert kind_of(inputs) is None


LACKING: list[tuple[str, Any, str]] = [
    ("fastertransformer", without(LLAMA_INPUTS, "input_lengths"), "input_lengths"),
    ("tensorrt_llm", without(TRT_INPUTS, "request_output_len"), "request_output_len"),
    ("tensorrt_llm", without(TEXT_INPUTS, "max_tokens"), "max_tokens"),
    ("vllm", without(VLLM_INPUTS, "sampling_parameters"), "sampling_parameters"),
]


@pytest.mark.parametrize(("configured", "inputs", "name"), LACKING)
def test_capabilities_of_a_model_without_the_contracts_inputs(
    triton: ScriptedTriton, configured: str, inputs: Any, name: str
) -> None:
    triton.config = model_config(inputs, backend="python")
    with pytest.raises(BackendError) as caught:
        BACKENDS[configured](triton).capabilities()
    assert f"the model declares no {name}" in str(caught.value.detail)


@pytest.mark.parametrize("configured", BACKENDS)
def test_a_model_that_is_put_right_needs_no_restart(
    triton: ScriptedTriton, configured: str
) -> None:
    served = BACKENDS[configured](triton)
    triton.config = model_config([("prompt", "BYTES", [1], False)])
    with pytest.raises(BackendError):
        served.capabilities()
    inputs, outputs = next(each[1:] for each in MODELS if each[0] == configured)
    triton.config = model_config(inputs, outputs=outputs, backend="python")
    assert served.capabilities().fields
