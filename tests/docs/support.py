"""`python -m tests.docs.support` writes docs/api.md's table of what each contract takes.

It is worked out from the backends themselves: what they say of a model that declares nothing but
what is required, and of models that declare one input more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from app.backends import fastertransformer, vllm
from app.backends.fastertransformer import TENSORS, FasterTransformer
from app.backends.generation import Capabilities
from app.backends.tensorrt_llm import TensorrtLlm
from app.backends.tensorrt_llm_inputs import INPUTS
from app.backends.tensorrt_llm_text import TextLevel
from app.backends.tensorrt_llm_tokens import TokenLevel
from app.backends.vllm import LATER_FIELDS, Vllm
from app.registry import LanguageModelSpec
from app.registry.specs import GenerationFacts
from app.triton.contract import ModelContract, TensorSpec
from app.triton.replicas import Replicas, Sites
from tests.docs.pages import PROJECT
from tests.tokenizers.cached import tokenizer

PAGE = PROJECT / "docs" / "api.md"
TABLE = re.compile(r"(?<=\n\n)\| field \| FasterTransformer.*?\n(?=\n)", re.DOTALL)
OUTPUTS = ("output_ids", "sequence_length", "output_log_probs", "text_output")
# A field of a request: the field of `Sampling`, or of a model that takes text.
FIELDS = {
    "`temperature`": "temperature",
    "`top_p`": "top_p",
    "`top_k`": "top_k",
    "`min_p`": "min_p",
    "`repetition_penalty`": "repetition_penalty",
    "`presence_penalty`": "presence_penalty",
    "`frequency_penalty`": "frequency_penalty",
    "`seed`": "seed",
    "`logit_bias`": "logit_bias",
    "`bad_words`": "bad_words",
    "`min_tokens`": "min_tokens",
    "`ignore_eos`": "ignore_eos",
    "`stop_token_ids`": "stop_token_ids",
    "`skip_special_tokens`": "skip_special_tokens",
    "`use_beam_search`": "beam_width",
    "`length_penalty`": "length_penalty",
    "`logprobs`": "logprobs",
    "`response_format` and its like": "structured_output",
}
OF_TOKENS = frozenset({"stop_token_ids", "skip_special_tokens"})
Level = tuple[str, Callable[..., Any], Iterable[str], Iterable[str]]
TRT = [name for names in INPUTS.values() for name in names]
LEVELS: tuple[Level, ...] = (
    ("FasterTransformer", FasterTransformer, fastertransformer.REQUIRED_INPUTS, TENSORS.values()),
    (
        "TensorRT-LLM, tokens",
        TensorrtLlm,
        TokenLevel.required,
        [*TRT, "embedding_bias", "bad_words_list", "return_log_probs"],
    ),
    ("TensorRT-LLM, text", TensorrtLlm, TextLevel.required, [*TRT, "bad_words", "stop_words"]),
    ("vLLM", Vllm, vllm.REQUIRED_INPUTS, LATER_FIELDS),
)


def capabilities(backend: Callable[..., Any], inputs: Iterable[str]) -> Capabilities:
    """Those of a model that declares these inputs."""
    words = TensorSpec("BYTES", (-1,), True)
    contract = ModelContract(
        backend="",
        max_batch_size=1,
        inputs=dict.fromkeys(inputs, words),
        outputs=dict.fromkeys(OUTPUTS, words),
    )
    facts = GenerationFacts(start_id=0, end_id=2, max_len=64)
    spec = LanguageModelSpec(
        name="m", urls=("127.0.0.1:1",), folder=Path(), triton_model="m", facts=facts
    )

    class Connection:
        def contract(self, *_: Any) -> ModelContract:
            return contract

    sites = Sites(lambda _: Connection())
    replicas = Replicas("m", spec.urls, sites, lambda _: True)
    found: Capabilities = backend(spec, replicas, tokenizer("byte_level_bpe")).capabilities()
    return found


def support(level: Level) -> Mapping[str, str]:
    """For each field "yes", "no", or the inputs of which the model must declare one."""
    _, backend, required, optional = level
    always = capabilities(backend, required)
    ways: dict[str, list[str]] = {}
    for name in dict.fromkeys(optional):
        for field in capabilities(backend, [*required, name]).fields - always.fields:
            ways.setdefault(field, []).append(f"`{name}`")
    free = always.fields | (frozenset() if always.takes_text else OF_TOKENS)
    return {
        field: "yes" if field in free else " or ".join(ways.get(field, ["no"]))
        for field in FIELDS.values()
    }


def table() -> str:
    """The table in Markdown."""
    columns = {level[0]: support(level) for level in LEVELS}
    lines = [["field", *columns], ["---"] * (len(columns) + 1)]
    for shown, field in FIELDS.items():
        lines.append([shown, *(column[field] for column in columns.values())])
    head, rule, *rows = lines
    return "\n".join(
        [
            f"| {' | '.join(head)} |",
            f"|{'|'.join(rule)}|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(table().replace("\\", r"\\"), PAGE.read_text()))
