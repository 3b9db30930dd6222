"""What requests ask for, parsed once at the edge, and words that several layers use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from app.arrivals import Arrivals
from app.cancellation import Cancellation
from app.tally import Tally

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


# What a text can be made to be by a backend that enforces it.
# How a model writes its tool calls and its reasoning.
TOOL_CALL_PARSERS = (
    "hermes",
    "qwen",
    "llama3_json",
    "mistral",
    "chatglm3",
    "glm4",
    "pythonic",
)
REASONING_PARSERS = ("think", "qwen3", "deepseek_r1")


class Task(StrEnum):
    """What a model is for, in the words of `GET /v1/models`."""

    GENERATE = "generate"
    EMBED = "embed"
    RERANK = "rerank"


class Trace(Protocol):
    """What follows a part of a request's way where that is traced.

    `traceparent` tells the next server of it: https://www.w3.org/TR/trace-context/
    """

    traceparent: str

    def call(self, operation: str, model: str, attributes: Mapping[str, Any]) -> Trace:
        """A call of a model begins below this."""

    def sent_to(self, host: str, port: int) -> None:
        """This Triton is asked."""

    def note(self, attributes: Mapping[str, Any]) -> None:
        """Say this of it."""

    def event(self, name: str) -> None:
        """This happens now."""

    def end(self, error: BaseException | None = None) -> None:
        """It is over."""


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What travels beside a request: its id, the way to call it off, what has arrived, its use.

    `deadline`, in seconds of the monotonic clock, is the client's own beside the model's limits.
    `trace` is None where nothing is traced.
    """

    request_id: str
    cancellation: Cancellation = field(default_factory=Cancellation)
    arrivals: Arrivals = field(default_factory=Arrivals)
    tally: Tally = field(default_factory=Tally)
    deadline: float | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    """What the whole text must be, and the field that asked for it.

    `kind` is json_schema, regex, choice, grammar, structural_tag or json_object; `value` is the
    JSON schema, the pattern, the choices, the grammar, the tag's object, or None.
    """

    kind: str
    value: Any
    param: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen. None means that the request left it to the model's defaults.

    `logprobs` is how many alternatives are wanted beside each chosen token, None for not even that.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: Mapping[int, float] | None = None
    bad_words: tuple[str, ...] | None = None
    min_tokens: int | None = None
    ignore_eos: bool | None = None
    beam_width: int | None = None
    length_penalty: float | None = None
    logprobs: int | None = None
    structured_output: StructuredOutput | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What completions and chat have in common: `n` choices for each prompt.

    `logprobs_param` and `alternatives_param` are the fields that ask for logprobs and for a token's
    alternatives, `prompt_param` that of the prompt, `limit_param` that of the most tokens. Of
    special tokens that are skipped, `kept_special_tokens` are text all the same. `scores_prompt`
    wants the logprobs of the prompt too.
    """

    alternatives_param: ClassVar[str] = "logprobs"
    logprobs_param: ClassVar[str] = "logprobs"
    prompt_param: ClassVar[str] = "prompt"

    model: str
    limit_param: str = "max_tokens"
    sampling: Sampling = Sampling()
    n: int = 1
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    has_stop_in_output: bool = False
    skip_special_tokens: bool = True
    kept_special_tokens: frozenset[str] = frozenset()
    scores_prompt: bool = False
    stream: bool = False
    include_usage: bool = False
    continuous_usage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRequest(Generation):
    """`POST /v1/completions`: `n` choices for each prompt, the best of `best_of`."""

    prompts: tuple[Prompt, ...]
    echo: bool = False
    suffix: str | None = None
    best_of: int = 1


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether tools are called: `mode` is none, auto, required, or function with its `name`."""

    mode: str = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest(Generation):
    """`POST /v1/chat/completions`: messages as a chat template reads them."""

    alternatives_param = "top_logprobs"
    prompt_param = "messages"
    effort_param: ClassVar[str] = "reasoning_effort"

    messages: tuple[Message, ...]
    template_kwargs: Mapping[str, bool | str] = field(default_factory=dict)
    documents: tuple[Mapping[str, Any], ...] | None = None
    add_generation_prompt: bool = True
    continue_final_message: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    has_parallel_tool_calls: bool = True
    has_reasoning: bool = True
    reasoning_effort: str | None = None


@dataclass(frozen=True, slots=True)
class Truncation:
    """What becomes of an input of an encoder that is too long.

    It is cut to `max_tokens`, or to what the model takes, or refused. `is_left` is the end where it
    is cut, None for the tokenizer's own.
    """

    is_allowed: bool = True
    max_tokens: int | None = None
    is_left: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """`POST /v1/embeddings`: texts or token ids, answered in their order.

    `dimensions_param` and `limit_param` are the fields of `dimensions` and `truncation.max_tokens`.
    """

    dimensions_param: ClassVar[str] = "dimensions"
    limit_param: ClassVar[str] = "truncate_prompt_tokens"

    model: str
    inputs: tuple[Prompt, ...]
    is_base64: bool = False
    dimensions: int | None = None
    add_special_tokens: bool = True
    truncation: Truncation = Truncation()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedV2Request(EmbedRequest):
    """`POST /v2/embed`: texts, each answered in every one of `types`.

    `inputs_param` is the field that held the texts, `input_type` what they are said to be.
    """

    dimensions_param = "output_dimension"
    limit_param = "max_tokens"

    inputs_param: str = "texts"
    types: tuple[str, ...] = ("float",)
    input_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankRequest:
    """`POST /v1/rerank` and its kin: documents to sort by how well they answer the query.

    `max_document_tokens` is without special tokens; `is_raw` asks for the logit as it is.
    """

    model: str
    query: str
    documents: tuple[str, ...]
    top_n: int | None = None
    return_documents: bool = False
    max_document_tokens: int | None = None
    is_raw: bool = False
    truncation: Truncation = Truncation()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """`POST /v1/score`: as many scores as `texts`; one query for all of them, or one for each."""

    model: str
    queries: tuple[str, ...]
    texts: tuple[str, ...]
    is_raw: bool = False
    truncation: Truncation = Truncation()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizeRequest:
    """`POST /tokenize`: a prompt, or a conversation as its chat template writes it."""

    model: str
    prompt: str | None = None
    conversation: ChatRequest | None = None
    add_special_tokens: bool | None = None
    has_token_texts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DetokenizeRequest:
    """`POST /detokenize`."""

    model: str
    ids: tuple[int, ...]


def first_given(*values: Any) -> Any:
    """The first that is not None, None if there is none."""
    return next((value for value in values if value is not None), None)
