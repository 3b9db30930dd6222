"""What has been said, and the request that goes on from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.client.address import ServerAddress
from app.client.chat_stream import ChatChunk, stream_chat
from app.client.connection import Connection, key_from
from app.client.model_list import Model, chosen_model, list_models


@dataclass(frozen=True, slots=True)
class Sampling:
    """None leaves it to the server."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None

    def fields(self) -> dict[str, Any]:
        """As fields of a request."""
        names = ("temperature", "top_p", "max_tokens", "seed")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, slots=True)
class Server:
    """The server that is asked. Each question has a connection of its own: talks have pauses."""

    address: ServerAddress
    key: str | None
    timeout: float

    @classmethod
    def of(cls, url: str, key_variable: str, timeout: float) -> Server:
        """Raises CommandError for an address or a key that cannot be one."""
        return cls(ServerAddress.parse(url), key_from(key_variable), timeout)

    def connection(self) -> Connection:
        """A new one, which nothing has been sent on."""
        return Connection(self.address, self.key, self.timeout)

    def model(self, name: str | None) -> str:
        """That name, or the server's first language model. Raises CommandError."""
        return chosen_model(self.connection(), name)

    def models(self) -> list[Model]:
        """Raises ServerError."""
        return list_models(self.connection())


@dataclass(slots=True)
class Conversation:
    """The messages so far, without the system prompt."""

    model: str
    system: str | None
    sampling: Sampling
    messages: list[dict[str, str]] = field(default_factory=list)
    _last_question: str | None = None
    _is_answered: bool = False

    def ask(self, question: str) -> None:
        """Add a question."""
        self.messages.append({"role": "user", "content": question})
        self._last_question = question

    def keep(self, answer: str) -> None:
        """Add what was answered; a question without an answer is not part of what was said."""
        self._is_answered = bool(answer)
        if answer:
            self.messages.append({"role": "assistant", "content": answer})
        else:
            self.messages.pop()

    def take_back(self) -> str | None:
        """Forget the last answer with its question; gives the question, answered or not."""
        if self._is_answered:
            del self.messages[-2:]
            self._is_answered = False
        return self._last_question

    def clear(self) -> None:
        """Forget all but the system prompt."""
        self.messages.clear()
        self._last_question = None
        self._is_answered = False

    def chunks(self, connection: Connection) -> Iterator[ChatChunk]:
        """The model's answer to all of it. Raises ServerError."""
        return stream_chat(connection, self._request())

    def _request(self) -> dict[str, Any]:
        system = [{"role": "system", "content": self.system}] if self.system else []
        return {
            "model": self.model,
            "messages": [*system, *self.messages],
            **self.sampling.fields(),
        }
