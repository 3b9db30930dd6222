"""What is asked, how often and over how many connections."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks import prompts

MEGABYTE = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Every connection sends its next request when its answer has ended.

    A run lasts about `seconds`: how many requests that are is found while warming up, unless
    `requests` says it. Paced answers take as long as their tokens do. The connections start over
    `ramp` seconds.
    """

    model: str
    connections: int
    seconds: float = 1.5
    requests: int | None = None
    ramp: float = 0.0

    path = ""
    is_streamed = False

    @property
    def body(self) -> dict[str, Any]:
        """The request's JSON."""
        raise NotImplementedError

    @property
    def encoded(self) -> bytes:
        return json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat(Load):
    """Chat completions; the prompt has `prompt_tokens`, or is a text of `prompt_bytes`."""

    path = "/v1/chat/completions"

    max_tokens: int
    prompt_tokens: int = 32
    prompt_bytes: int | None = None
    is_streamed: bool = True

    @property
    def text(self) -> str:
        """The one message of the user."""
        if self.prompt_bytes is None:
            return prompts.chat_text(self.prompt_tokens)
        return prompts.megabyte_text(self.prompt_bytes)

    @property
    def num_prompt_tokens(self) -> int:
        """How many tokens the prompt has that the chat template makes of it."""
        return prompts.chat_tokens(self.text)

    @property
    def pace(self) -> int | None:
        """Tokens a second of a stream, as the model's name says it; None: as fast as it can."""
        pace = self.model.partition("pace")[2]
        return int(pace) if pace else None

    @property
    def body(self) -> dict[str, Any]:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.text}],
            "max_tokens": self.max_tokens,
        }
        if self.is_streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings(Load):
    """Vectors of `strings` texts with `tokens` tokens each."""

    path = "/v1/embeddings"

    strings: int
    tokens: int
    encoding: Literal["float", "base64"]

    @property
    def body(self) -> dict[str, Any]:
        texts = [prompts.encoder_text(self.tokens)] * self.strings
        return {"model": self.model, "input": texts, "encoding_format": self.encoding}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerank(Load):
    """One query and `documents` documents of `tokens` tokens."""

    path = "/v1/rerank"

    documents: int
    tokens: int = 64

    @property
    def body(self) -> dict[str, Any]:
        texts = [prompts.encoder_text(self.tokens)] * self.documents
        return {"model": self.model, "query": "How long is the holiday?", "documents": texts}
