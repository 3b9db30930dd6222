"""One model of the configuration each, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from app.types import Task

Words = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_token` counts from the sending, `total` bounds the whole call."""

    connect: float = 1.0
    first_token: float = 60.0
    between_tokens: float = 30.0
    total: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What every kind of model has. `place` is its entry in the configuration: "llm[0]".

    `urls` are the addresses of the Tritons that serve it, each alone enough.
    """

    task: ClassVar[Task]

    name: str
    urls: tuple[str, ...]
    folder: Path
    triton_model: str
    triton_version: str = ""
    trust_remote_code: bool = False
    timeouts: Timeouts = Timeouts()
    max_inflight: int = 256
    max_queue: int = 256
    max_queue_wait: float = 2.0
    place: str = ""

    @property
    def max_model_len(self) -> int:
        """The context in tokens."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationFacts:
    """Ids, context and defaults of a language model; ids may be negative, which means none.

    `end_ids` are one-token words that end an answer like `end_id` does.
    """

    start_id: int
    end_id: int
    max_len: int
    end_ids: tuple[int, ...] = ()
    bad_words: Words = ()
    stop_words: Words = ()
    temperature: float | None = None
    repetition_penalty: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    mask_positions: tuple[int, ...] | None = None
    extra_inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModelSpec(ModelSpec):
    """A language model behind gRPC."""

    task = Task.GENERATE

    facts: GenerationFacts
    backend: str = "fastertransformer"
    chat_template: Path | None = None
    cancel: str | None = None
    batch_size: int | None = None
    adds_special_tokens: bool | None = None
    structured_output_key: str | None = None
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    fim_template: str | None = None
    template_kwargs: tuple[str, ...] = ()
    special_tokens_in_content: bool = False

    @property
    def max_model_len(self) -> int:
        return self.facts.max_len


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSpec(ModelSpec):
    """A BERT-like model behind HTTP. `inputs` maps a role, like attention_mask, to a tensor."""

    max_tokens: int
    inputs: Mapping[str, str] = field(default_factory=dict)
    output: str | None = None

    @property
    def max_model_len(self) -> int:
        return self.max_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSpec(EncoderSpec):
    """`pooling` is cls, mean or none; it only applies to an output of token vectors.

    `id_policy` is whose token ids requests may send: model_ids, cl100k, or reject for nobody's.
    """

    task = Task.EMBED

    pooling: str = "cls"
    is_normalized: bool = True
    id_policy: str = "model_ids"


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankSpec(EncoderSpec):
    """`activation` is normalize (the logistic function), softmax (over two logits) or none."""

    task = Task.RERANK

    activation: str = "normalize"
