"""https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from app.chunks import MessageDelta, TextLogprob, ToolCallDelta, Usage
from app.services.answers import Envelope, Event, EventStream
from app.services.catalogue import LanguageModel
from app.services.conversation import Conversation
from app.services.logprobs import chat_logprobs
from app.services.messages import Message, ToolCall
from app.types import ChatRequest, RequestContext


class Chat:
    """One request to a model. Making it raises every error that needs no backend."""

    def __init__(self, model: LanguageModel, request: ChatRequest, role: str) -> None:
        self._conversation = Conversation(model, request)
        self._request = request
        self._role = role
        self._wants_logprobs = request.sampling.logprobs is not None

    def whole(self, context: RequestContext, patience: float) -> Event:
        """The answer at once."""
        messages = self._conversation.messages(context, patience)
        num_tokens = sum(message.num_tokens for message in messages)
        usage = Usage(self._conversation.num_prompt_tokens, num_tokens)
        envelope = Envelope("chatcmpl", "chat.completion", self._request.model)
        choices = [self._choice(index, message) for index, message in enumerate(messages)]
        return {**envelope.wrap(choices), "usage": usage.as_dict()}

    def events(
        self, context: RequestContext, patience: float
    ) -> Generator[Event | bytes | None, None, None]:
        """The answer as stream events: the roles, the content, the finish reasons."""
        stream = EventStream(
            self._conversation.deltas(context, patience),
            Envelope("chatcmpl", "chat.completion.chunk", self._request.model),
            self._request,
            self._conversation.num_prompt_tokens,
            self._request.n,
        )
        role = {"role": self._role, "content": ""}
        return stream.events(
            [_choice(index, role) for index in range(self._request.n)], _stream_choice
        )

    def _choice(self, index: int, message: Message) -> Event:
        content: Event = {"role": self._role, "content": message.content, "refusal": None}
        if message.reasoning:
            content["reasoning_content"] = message.reasoning
        if message.tool_calls:
            content["content"] = message.content or None
            content["tool_calls"] = [_call(call) for call in message.tool_calls]
        return {
            "index": index,
            "message": content,
            "logprobs": chat_logprobs(message.logprobs) if self._wants_logprobs else None,
            "finish_reason": message.finish_reason,
            "stop_reason": message.stop_reason,
        }


def _call(call: ToolCall) -> Event:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _stream_choice(delta: MessageDelta) -> Event:
    gained: Event = {}
    if delta.content:
        gained["content"] = delta.content
    if delta.reasoning:
        gained["reasoning_content"] = delta.reasoning
    if delta.tool_call is not None:
        gained["tool_calls"] = [_call_delta(delta.tool_call)]
    choice = _choice(delta.index, gained, delta.logprobs)
    if delta.finish_reason is not None:
        choice["finish_reason"] = delta.finish_reason
        choice["stop_reason"] = delta.stop_reason
    return choice


def _call_delta(call: ToolCallDelta) -> Event:
    if call.name is None:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _choice(index: int, delta: Event, logprobs: Sequence[TextLogprob] = ()) -> Event:
    return {
        "index": index,
        "delta": delta,
        "logprobs": chat_logprobs(logprobs) if logprobs else None,
        "finish_reason": None,
    }
