"""What the document tells of a path, and the bodies and errors that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app import errors
from app.schemas.anthropic_messages import AnthropicMessagesSchema, CountTokensSchema
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionSchema
from app.schemas.embed_v2 import EmbedV2Schema
from app.schemas.embeddings import EmbeddingSchema
from app.schemas.request import RequestSchema
from app.schemas.rerank import RerankSchema, TextsRerankSchema
from app.schemas.responses import ResponsesSchema
from app.schemas.score import ScoreSchema
from app.schemas.tokenization import DetokenizeSchema, TokenizeSchema

# The bodies of requests, by their names in the document.
BODIES: Mapping[str, type[RequestSchema]] = {
    "ChatRequest": ChatSchema,
    "CompletionRequest": CompletionSchema,
    "ResponseRequest": ResponsesSchema,
    "MessageRequest": AnthropicMessagesSchema,
    "CountTokensRequest": CountTokensSchema,
    "EmbeddingRequest": EmbeddingSchema,
    "EmbedV2Request": EmbedV2Schema,
    "RerankRequest": RerankSchema,
    "TextsRerankRequest": TextsRerankSchema,
    "ScoreRequest": ScoreSchema,
    "TokenizeRequest": TokenizeSchema,
    "DetokenizeRequest": DetokenizeSchema,
}
# Those that may leave out the model where there is only one.
NEEDS_NO_MODEL = frozenset({"TextsRerankRequest"})

Kinds = tuple[type[errors.ApiError], ...]
# What a key brings with it, and what an open path does not have.
OF_KEYS: Kinds = (errors.AuthenticationError, errors.RateLimitExceeded)
ALWAYS: Kinds = (errors.InternalError, errors.ServerOverloaded)
OF_BODIES: Kinds = (
    errors.InvalidRequest,
    errors.UnsupportedParameter,
    errors.ModelNotSupported,
    errors.ModelNotFound,
    errors.BodyTimeout,
    errors.BodyTooLarge,
    errors.UnsupportedMediaType,
    *ALWAYS,
)
OF_PROMPTS: Kinds = (*OF_BODIES, errors.ContextLengthExceeded)
OF_MODELS: Kinds = (
    *OF_PROMPTS,
    errors.ModelOverloaded,
    errors.BackendError,
    errors.BackendUnavailable,
    errors.BackendModelMissing,
    errors.BackendTimeout,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One path with its verb.

    `bodies`, `answers`, `stream` and `error_forms` name schemas of the document; `stream` is that
    of an event's data. `examples` are bodies for the demo's models, or the `id` of a path. `other`
    are answers of other statuses that are no errors. Open ones need no key.
    """

    path: str
    id: str
    tag: str
    summary: str
    answers: tuple[str, ...]
    bodies: tuple[str, ...] = ()
    stream: str | None = None
    kinds: Kinds = ALWAYS
    error_forms: tuple[str, ...] = ("Error",)
    examples: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    content_type: str = "application/json"
    is_open: bool = False

    @property
    def method(self) -> str:
        """The verb in small letters: bodies are posted."""
        return "post" if self.bodies else "get"
