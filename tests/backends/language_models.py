"""Models of TensorRT-LLM and vLLM in a scripted Triton, and backends in front of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app.backends.generation import GenerationBackend, GenerationJob
from app.backends.tensorrt_llm import TensorrtLlm
from app.backends.vllm import Vllm
from app.chunks import Tokens
from app.registry import LanguageModelSpec
from app.registry.specs import GenerationFacts
from app.triton.model_replicas import language_replicas
from tests.backends.jobs import END_ID, LIMITS
from tests.scripted_triton import ScriptedTriton, message, model_config
from tests.tokenizers.cached import tokenizer

# tensorrtllm_backend v0.16.0. Name, datatype, dims, optional.
TRT_INPUTS = (
    ("input_ids", "INT32", [-1], True),
    ("input_lengths", "INT32", [1], False),
    ("request_output_len", "INT32", [1], False),
    *(
        (name, "INT32", [1], True)
        for name in ("end_id", "pad_id", "beam_width", "runtime_top_k", "min_length")
    ),
    *(
        (name, "FP32", [1], True)
        for name in (
            "runtime_top_p",
            "temperature",
            "len_penalty",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
        )
    ),
    ("random_seed", "UINT64", [1], True),
    ("stop_words_list", "INT32", [2, -1], True),
    ("bad_words_list", "INT32", [2, -1], True),
    ("embedding_bias", "FP32", [-1], True),
    *(
        (name, "BOOL", [1], True)
        for name in ("return_log_probs", "exclude_input_in_output", "streaming", "stop")
    ),
)
TRT_OUTPUTS = {
    "output_ids": "INT32",
    "sequence_length": "INT32",
    "cum_log_probs": "FP32",
    "output_log_probs": "FP32",
}
TEXT_INPUTS = (
    ("text_input", "BYTES", [1], False),
    ("max_tokens", "INT32", [1], False),
    ("bad_words", "BYTES", [-1], True),
    ("stop_words", "BYTES", [-1], True),
    *((name, "INT32", [1], True) for name in ("end_id", "pad_id", "top_k", "min_length")),
    *((name, "FP32", [1], True) for name in ("top_p", "temperature", "repetition_penalty")),
    ("random_seed", "UINT64", [1], True),
    ("beam_width", "INT32", [1], True),
    ("stream", "BOOL", [1], True),
    ("exclude_input_in_output", "BOOL", [1], True),
)
TEXT_OUTPUTS = {"text_output": "BYTES"}
VLLM_INPUTS = (
    ("text_input", "BYTES", [1], False),
    ("stream", "BOOL", [1], True),
    ("sampling_parameters", "BYTES", [1], True),
    *(
        (name, "BOOL", [1], True)
        for name in (
            "exclude_input_in_output",
            "return_finish_reason",
            "return_logprobs",
            "return_num_output_tokens",
        )
    ),
    ("embedding_request", "BYTES", [1], True),
)
VLLM_OUTPUTS = {
    "text_output": "BYTES",
    "finish_reason": "BYTES",
    "logprobs": "BYTES",
    "num_output_tokens": "UINT32",
}
TOKENIZER = tokenizer("byte_level_bpe")


def without(inputs: Iterable[tuple[str, str, list[int], bool]], *names: str) -> Any:
    return [each for each in inputs if each[0] not in names]


def serve(triton: ScriptedTriton, inputs: Any, outputs: Any, **more: Any) -> None:
    """Make the scripted Triton's model one with these tensors."""
    triton.config = model_config(inputs, outputs=outputs, backend="tensorrtllm", **more)


def spec(triton: ScriptedTriton, *, is_lenient: bool = False, **facts: Any) -> LanguageModelSpec:
    return LanguageModelSpec(
        name="chat",
        urls=(triton.address,),
        folder=Path(),
        triton_model="llm",
        timeouts=LIMITS,
        special_tokens_in_content=is_lenient,
        facts=GenerationFacts(**{"start_id": 1, "end_id": END_ID, "max_len": 64, **facts}),
    )


def tensorrt_llm(triton: ScriptedTriton, **facts: Any) -> TensorrtLlm:
    found = spec(triton, **facts)
    return TensorrtLlm(found, language_replicas(found), TOKENIZER)


def vllm(triton: ScriptedTriton, **facts: Any) -> Vllm:
    found = spec(triton, **facts)
    return Vllm(found, language_replicas(found), TOKENIZER)


def ids_message(ids: list[int], *, with_length: bool = True, **more: tuple[str, Any]) -> Any:
    """TensorRT-LLM's message for one beam."""
    length = {"sequence_length": ("INT32", [[len(ids)]])} if with_length else {}
    return message({"output_ids": ("INT32", [[ids]]), **length, **more})


def text_message(text: str | bytes, **more: tuple[str, Any]) -> Any:
    raw = text.encode() if isinstance(text, str) else text
    return message({"text_output": ("BYTES", [raw]), **more})


def flag_message() -> Any:
    """The end of models in Python: FINAL and no tensors."""
    return message({}, final=True)


def answered(served: GenerationBackend, asked: GenerationJob) -> tuple[Any, Tokens]:
    """The ids or the text of the first continuation, and its last tokens."""
    parts = [part for part in served.generate(asked) if part.row == 0]
    if any(part.text is not None for part in parts):
        return "".join(part.text or "" for part in parts), parts[-1]
    return [token for part in parts for token in part.ids], parts[-1]
