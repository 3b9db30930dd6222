"""The text of one choice as a message: reasoning, content and tool calls told apart."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.chunks import Chunk, MessageDelta, ToolCallDelta
from app.prompting.reasoning import CLOSING, OPENING, Reasoning, ReasoningParser
from app.prompting.tool_calls import MARKERS, ToolCallPiece, make_parser
from app.registry import LanguageModelSpec
from app.types import ChatRequest

# What ids of calls begin with, and how many characters follow.
ID, MISTRAL_ID = ("call_", 24), ("", 9)


def kept_tokens(spec: LanguageModelSpec, request: ChatRequest) -> frozenset[str]:
    """The marks that the parsers look for; a tokenizer may call some of them special."""
    marks = frozenset({OPENING, CLOSING}) if spec.reasoning_parser is not None else frozenset()
    if spec.tool_call_parser is None or not _calls_tools(request):
        return marks
    return marks | MARKERS[spec.tool_call_parser]


def _calls_tools(request: ChatRequest) -> bool:
    return bool(request.tools) and request.tool_choice.mode != "none"


class MessageText:
    """One choice. `prompt_end` is how its prompt ends, `opening` a call that it has begun."""

    def __init__(
        self, spec: LanguageModelSpec, request: ChatRequest, prompt_end: str, opening: str
    ) -> None:
        self._request = request
        self._reasoning = (
            None
            if spec.reasoning_parser is None
            else ReasoningParser(spec.reasoning_parser, prompt_end)
        )
        self._tools = None
        if spec.tool_call_parser is not None and _calls_tools(request):
            names = {tool["function"]["name"] for tool in request.tools}
            self._tools = make_parser(spec.tool_call_parser, names)
        # Mistral's own templates take no other ids back.
        self._id_form = MISTRAL_ID if spec.tool_call_parser == "mistral" else ID
        # A request that names the function wants one call of it.
        is_named = request.tool_choice.mode == "function"
        self._is_single = is_named or not request.has_parallel_tool_calls
        self._opening = opening
        self._has_called = False
        self._is_plain = self._reasoning is None and self._tools is None
        self.is_over = False

    def deltas(self, chunk: Chunk) -> Sequence[MessageDelta]:
        """What the message gains by a chunk, the reason of its end last."""
        if self.is_over:
            return ()
        if self._is_plain:
            gained = MessageDelta(
                chunk.num_tokens, chunk.index, content=chunk.text, logprobs=chunk.logprobs
            )
            return (gained,) if chunk.finish_reason is None else self._ended(gained, chunk)
        if chunk.is_silence:
            return (MessageDelta(chunk.num_tokens, chunk.index),)
        return list(self._deltas(chunk))

    def _ended(self, gained: MessageDelta, chunk: Chunk) -> Sequence[MessageDelta]:
        self.is_over = True
        end = MessageDelta(
            chunk.num_tokens,
            chunk.index,
            finish_reason=chunk.finish_reason,
            stop_reason=chunk.stop_reason,
        )
        return (end,) if gained.is_silence else (gained, end)

    def _deltas(self, chunk: Chunk) -> Iterator[MessageDelta]:
        logprobs = chunk.logprobs
        for part in self._parts(chunk):
            gained = self._gained(part, chunk)
            if gained is not None:
                yield replace(gained, logprobs=logprobs)
                logprobs = ()
        if logprobs:
            yield MessageDelta(chunk.num_tokens, chunk.index, logprobs=logprobs)
        reason = self._finish_reason(chunk)
        if reason is not None:
            self.is_over = True
            stop = chunk.stop_reason
            yield MessageDelta(
                chunk.num_tokens, chunk.index, finish_reason=reason, stop_reason=stop
            )

    def _parts(self, chunk: Chunk) -> Iterator[str | Reasoning | ToolCallPiece]:
        is_last = chunk.finish_reason is not None
        if self._opening:
            # What the prompt has begun is the beginning of the answer.
            opening, self._opening = self._opening, ""
            yield from self._split(opening, is_last=False)
        yield from self._split(chunk.text, is_last=is_last)

    def _split(self, text: str, *, is_last: bool) -> Iterator[str | Reasoning | ToolCallPiece]:
        parts: list[str | Reasoning] = [text]
        if self._reasoning is not None:
            parts = self._reasoning.push(text)
            parts += self._reasoning.flush() if is_last else []
        for part in parts:
            if isinstance(part, Reasoning) or self._tools is None:
                yield part
            else:
                yield from self._tools.push(part)
        if is_last and self._tools is not None:
            yield from self._tools.flush()

    def _gained(self, part: str | Reasoning | ToolCallPiece, chunk: Chunk) -> MessageDelta | None:
        nothing = MessageDelta(chunk.num_tokens, chunk.index)
        if isinstance(part, Reasoning):
            is_wanted = part.text and self._request.has_reasoning
            return replace(nothing, reasoning=part.text) if is_wanted else None
        if isinstance(part, ToolCallPiece):
            self._has_called = True
            is_wanted = not (self._is_single and part.index)
            return replace(nothing, tool_call=self._call(part)) if is_wanted else None
        is_after_call = self._is_single and self._has_called
        return replace(nothing, content=part) if part and not is_after_call else None

    @property
    def _num_calls(self) -> int:
        return self._tools.num_calls if self._tools is not None else 0

    def _finish_reason(self, chunk: Chunk) -> str | None:
        if self._is_single and self._num_calls and self._is_call_complete:
            return self._reason_of_calls
        if chunk.finish_reason == "stop" and self._num_calls:
            return self._reason_of_calls
        return chunk.finish_reason

    @property
    def _is_call_complete(self) -> bool:
        assert self._tools is not None
        return self._tools.is_between_calls or self._num_calls > 1

    @property
    def _reason_of_calls(self) -> str:
        # OpenAI's own servers say so where the request itself names the function.
        return "stop" if self._request.tool_choice.mode == "function" else "tool_calls"

    def _call(self, piece: ToolCallPiece) -> ToolCallDelta:
        prefix, size = self._id_form
        call_id = None if piece.name is None else prefix + secrets.token_hex(size)[:size]
        return ToolCallDelta(piece.index, call_id, piece.name, piece.arguments)
