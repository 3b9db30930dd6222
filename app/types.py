"""What the layers hand to each other, parsed once at the edge, and words that several use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.cancellation import Cancellation

Prompt = str | tuple[int, ...]
Message = Mapping[str, Any]

# The names that exports give to the three inputs of a BERT-like model, and what each takes.
ENCODER_INPUTS: Mapping[str, str] = {
    "input_ids": "input_ids",
    "attention_mask": "attention_mask",
    "input_mask": "attention_mask",
    "token_type_ids": "token_type_ids",
    "segment_ids": "token_type_ids",
}


class Task(StrEnum):
    """What a model is for, in the words of `GET /v1/models`."""

    GENERATE = "generate"
    EMBED = "embed"
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What travels beside a request: its id, and the way to call it off."""

    request_id: str
    cancellation: Cancellation = field(default_factory=Cancellation)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. None means that the request left it to the model's defaults."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What completions and chat have in common."""

    model: str
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest(Generation):
    """`POST /v1/completions`: one choice for each prompt."""

    prompts: tuple[Prompt, ...]
    echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest(Generation):
    """`POST /v1/chat/completions`: messages as a chat template reads them."""

    messages: tuple[Message, ...]
    template_kwargs: Mapping[str, bool | str] = field(default_factory=dict)
    documents: tuple[Mapping[str, Any], ...] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False


@dataclass(frozen=True, slots=True)
class Tokens:
    """New token ids from a backend, and why there will be no more, once that is known.

    Empty `ids` without a `finish_reason` mean only that nothing has come for a while.
    """

    ids: Sequence[int] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one choice's text that will not change any more.

    `num_tokens` counts this choice's completion tokens so far. Empty `text` without a
    `finish_reason` means only that nothing has come for a while.
    """

    text: str
    num_tokens: int
    index: int = 0
    finish_reason: str | None = None
    stop_reason: int | str | None = None

    @property
    def is_silence(self) -> bool:
        """True for the sign of life of a backend that has brought nothing for a while."""
        return not self.text and self.finish_reason is None


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of the served model."""

    prompt_tokens: int
    completion_tokens: int = 0

    def as_dict(self) -> dict[str, int]:
        """OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """`POST /v1/embeddings`: texts or token ids, answered in their order."""

    model: str
    inputs: tuple[Prompt, ...]
    is_base64: bool = False
    dimensions: int | None = None
    may_truncate: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """`POST /v1/rerank`: documents to sort by how well they answer the query."""

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    return_documents: bool = False


def first_given(*values: Any) -> Any:
    """The first that is not None, None if there is none."""
    return next((value for value in values if value is not None), None)
