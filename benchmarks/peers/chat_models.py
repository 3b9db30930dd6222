"""The chat API's request and answers as pydantic models, as the servers in question have them.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class TextPart(BaseModel):
    """One part of a message's content."""

    type: Literal["text"]
    text: str


class Message(BaseModel):
    """One message of a conversation."""

    role: str
    content: str | list[TextPart] | None = None

    def text(self) -> str:
        """The content's text."""
        parts = self.content or ""
        return parts if isinstance(parts, str) else "".join(part.text for part in parts)


class StreamOptions(BaseModel):
    """What a stream holds beside the text."""

    include_usage: bool = False


Temperature = Annotated[float, Field(ge=0, le=2)]
Probability = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class ChatRequest(BaseModel):
    """The fields that the baseline knows; others are ignored, as FastChat does."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Temperature = 1.0
    top_p: Probability = 1.0
    seed: int | None = None
    stop: str | list[str] | None = None

    def stops(self) -> tuple[str, ...]:
        """The stop strings, empty ones left out."""
        found = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in found if stop)


class Usage(BaseModel):
    """Counts of tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Delta(BaseModel):
    """What a chunk adds."""

    role: str | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The one choice of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One event of a stream."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class AnswerMessage(BaseModel):
    """The assistant's message."""

    role: str = "assistant"
    content: str


class Choice(BaseModel):
    """The one choice of an answer."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str


class Answer(BaseModel):
    """A whole answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
