"""What comes out of a model on its way up: tokens, then chunks of text, then a message's deltas.

Nobody changes one. Those of which each token makes one are not frozen all the same, because that
would treble the time to make them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token's logarithm of probability, with its likeliest alternatives, the best first.

    `text` is for backends that tell no id.
    """

    token_id: int | None
    logprob: float
    top: tuple[TokenLogprob, ...] = ()
    text: str | None = None


@dataclass(slots=True)
class Tokens:
    """New tokens of one continuation, and why there will be no more, once that is known.

    A backend that detokenises itself gives `text` in place of `ids`, and in `num_tokens` how many
    there have been so far, None where it does not tell. `row` is the continuation's place in its
    job. `prompt_logprobs` come once, of the prompt's tokens after the first. Nothing new and no
    `finish_reason` mean only that nothing has come for a while.
    """

    ids: Sequence[int] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    text: str | None = None
    num_tokens: int | None = None
    logprobs: Sequence[TokenLogprob] = ()
    row: int = 0
    prompt_logprobs: Sequence[TokenLogprob] = ()


@dataclass(frozen=True, slots=True)
class TextLogprob:
    """A token of the answer as a client sees it: its bytes, and where its text begins.

    `offset` counts characters from the beginning of the choice's text; of alternatives it is that
    of the token that was chosen. `logprob` is None where nobody computed it.
    """

    data: bytes
    logprob: float | None
    offset: int
    top: tuple[TextLogprob, ...] = ()

    @property
    def text(self) -> str:
        """The token's text; a token that is no whole character as OpenAI writes it."""
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in self.data)


@dataclass(slots=True)
class Chunk:
    """A piece of one choice's text that will not change any more.

    `num_tokens` counts this choice's completion tokens so far. Empty `text` without a
    `finish_reason` means only that nothing has come for a while. `logprobs` are those of the
    tokens whose text begins here; `cumulative_logprob` is the sum over all tokens so far;
    `prompt_logprobs` are those of `Tokens`, with the choice's first chunk.
    """

    text: str
    num_tokens: int
    index: int = 0
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    logprobs: tuple[TextLogprob, ...] = ()
    cumulative_logprob: float = 0.0
    prompt_logprobs: Sequence[TokenLogprob] = ()

    @property
    def is_silence(self) -> bool:
        """True for the sign of life of a backend that has brought nothing for a while."""
        brings_nothing = not self.text and not self.logprobs and not self.prompt_logprobs
        return brings_nothing and self.finish_reason is None

    @property
    def only_text(self) -> str:
        """The text of a chunk that brings nothing else, else ""."""
        if self.finish_reason is not None or self.logprobs or self.prompt_logprobs:
            return ""
        return self.text

    def with_text(self, text: str) -> Chunk:
        """The same with another text."""
        return replace(self, text=text)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call: `id` and `name` come once, `arguments` is JSON text to append."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True)
class MessageDelta:
    """What one choice's message gains: text, reasoning or a piece of a tool call.

    `finish_reason` adds `tool_calls` to those of a chunk. Nothing new is silence.
    """

    num_tokens: int
    index: int = 0
    content: str = ""
    reasoning: str = ""
    tool_call: ToolCallDelta | None = None
    logprobs: tuple[TextLogprob, ...] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None

    @property
    def is_silence(self) -> bool:
        """True for a sign of life only."""
        has_text = self.content or self.reasoning or self.tool_call or self.logprobs
        return not has_text and self.finish_reason is None

    @property
    def only_text(self) -> str:
        """The content of a delta that brings nothing else, else ""."""
        if self.reasoning or self.tool_call or self.logprobs or self.finish_reason is not None:
            return ""
        return self.content

    def with_text(self, text: str) -> MessageDelta:
        """The same with another content."""
        return replace(self, content=text)


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
