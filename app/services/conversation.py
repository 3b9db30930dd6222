"""A conversation with a model: from messages to what its answers gain, whoever shows them how."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from app import offload
from app.arrivals import Silence
from app.chunks import MessageDelta
from app.errors import InvalidRequest, ModelNotSupported, UnsupportedParameter
from app.observability import tracing
from app.prompting.chat import encode_chat
from app.prompting.reasoning import CLOSING, ReasoningParser
from app.prompting.tool_calls import forced_opening
from app.services.catalogue import LanguageModel
from app.services.generation import Chunks, choices_of, generate, max_new_tokens
from app.services.input_checks import check_length, count_characters, is_long
from app.services.message_text import MessageText, kept_tokens
from app.services.messages import Message
from app.types import ChatRequest, RequestContext

Deltas = Generator[MessageDelta, None, None]

# As many tokens show whether a prompt ends inside the model's reasoning.
PROMPT_END_TOKENS = 16
END_OF_REASONING = f"{CLOSING}\n\n"
FORCED = ("required", "function")


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """A conversation as the model reads it: `ids` `[L]`.

    `opening` is the beginning of a call that the model must make, the last of what `ids` hold;
    `end` is how the text before it ends, "" for a model without a parser that asks for it.
    """

    ids: list[int]
    end: str
    opening: str


class Conversation:
    """One request to a model. Making it raises every error that needs no backend.

    `num_prompt_tokens` are those of the rendered template, with its special tokens.
    """

    def __init__(self, model: LanguageModel, request: ChatRequest) -> None:
        self._model = model
        self._request = request = _with_marks_kept(model, request)
        prompt, default = chat_prompt(model, request), model.spec.facts.max_tokens
        # What the prompt has begun of the answer is read with the answer.
        self._end, self._opening = prompt.end, prompt.opening
        # A list would hold nine times as much for as long as the answer takes.
        ids = array("I", prompt.ids)
        self.num_prompt_tokens = len(ids)
        max_tokens = max_new_tokens(model, ids, request, default, request.prompt_param)
        self._continuations = choices_of(ids, max_tokens, request, request.n)

    def deltas(self, context: RequestContext, patience: float) -> Deltas:
        """What the choices' messages gain, in the order in which it comes."""
        chunks = generate(self._model, self._continuations, self._request, context, patience)
        return self._parsed(chunks, context, patience)

    def messages(self, context: RequestContext, patience: float) -> list[Message]:
        """The finished messages, in the order of their index."""
        messages = [Message() for _ in self._continuations]
        for delta in self.deltas(context, patience):
            messages[delta.index].add(delta)
        return messages

    def _parsed(self, chunks: Chunks, context: RequestContext, patience: float) -> Deltas:
        texts = [
            MessageText(self._model.spec, self._request, self._end, self._opening)
            for _ in self._continuations
        ]
        silence = Silence(context.arrivals, patience)
        with closing(chunks):
            for chunk in chunks:
                text = texts[chunk.index]
                deltas = text.deltas(chunk)
                yield from deltas
                if text.is_over and all(text.is_over for text in texts):
                    return
                if deltas:
                    silence.begun = 0.0
                elif silence.must_be_told():
                    # What is hidden or held back is silence to whoever waits for it.
                    yield MessageDelta(chunk.num_tokens, chunk.index)


def chat_prompt(model: LanguageModel, request: ChatRequest) -> ChatPrompt:
    """The rendered and tokenised conversation.

    Raises:
        ContextLengthExceeded: it is far longer than the context.
        UnsupportedParameter: `chat_template_kwargs` that the model does not take.
        ModelNotSupported: the model has no chat template.
        InvalidRequest: what the template refuses.
    """
    _check_tools(model, request)
    _check_documents(model, request)
    _check_template_kwargs(model, request)
    size = 0
    for param, part in (
        (request.prompt_param, request.messages),
        ("tools", request.tools),
        ("documents", request.documents),
    ):
        num_characters = count_characters(part)
        check_length(num_characters, model.spec.max_model_len, param)
        size += num_characters
    return offload.run_if(is_long(size), tracing.carried(_encode), model, request)


def _encode(model: LanguageModel, request: ChatRequest) -> ChatPrompt:
    ids = _rendered(model, request, "")
    end = _end(model, ids)
    opening = _opening(model, request, end)
    return ChatPrompt(_rendered(model, request, opening) if opening else ids, end, opening)


def _end(model: LanguageModel, ids: list[int]) -> str:
    if model.spec.reasoning_parser is None:
        return ""
    return model.tokenizer.decode(ids[-PROMPT_END_TOKENS:], skip_special_tokens=False)


def _rendered(model: LanguageModel, request: ChatRequest, opening: str) -> list[int]:
    if model.template is None:
        raise ModelNotSupported(
            f"the model {request.model!r} has no chat template; use /v1/completions", param="model"
        )
    has_tools = bool(request.tools) and request.tool_choice.mode != "none"
    documents = request.documents
    return encode_chat(
        model.tokenizer,
        model.template,
        request.messages,
        special_tokens_in_content=model.spec.special_tokens_in_content,
        add_generation_prompt=request.add_generation_prompt and not request.continue_final_message,
        continue_final_message=request.continue_final_message,
        tools=list(request.tools) if has_tools else None,
        documents=None if documents is None else list(documents),
        template_kwargs=_template_kwargs(model, request),
        opening=opening,
    )


def _opening(model: LanguageModel, request: ChatRequest, end: str) -> str:
    """What makes a model that cannot be forced begin a call: its own first words."""
    choice, spec = request.tool_choice, model.spec
    if choice.mode not in FORCED or spec.tool_call_parser is None:
        return ""
    opening = forced_opening(spec.tool_call_parser, choice.name)
    if spec.reasoning_parser is None:
        return opening
    is_reasoning = ReasoningParser(spec.reasoning_parser, end).is_reasoning
    return END_OF_REASONING + opening if is_reasoning else opening


def _with_marks_kept(model: LanguageModel, request: ChatRequest) -> ChatRequest:
    """Special tokens by which a model marks calls and reasoning must reach their parsers."""
    kept = kept_tokens(model.spec, request) & model.tokenizer.special_tokens.keys()
    return replace(request, kept_special_tokens=frozenset(kept)) if kept else request


def _template_kwargs(model: LanguageModel, request: ChatRequest) -> dict[str, bool | str]:
    """The request's own, and its effort as the model's template knows it."""
    kwargs, effort = dict(request.template_kwargs), request.reasoning_effort
    allowed = model.spec.template_kwargs
    if effort is None:
        return kwargs
    if "reasoning_effort" in allowed:
        return {"reasoning_effort": effort, **kwargs}
    if "enable_thinking" in allowed:
        return {"enable_thinking": effort != "none", **kwargs}
    if effort != "none":
        raise UnsupportedParameter(
            f"{request.effort_param} is not supported by this model: its template_kwargs have"
            " neither reasoning_effort nor enable_thinking",
            param=request.effort_param,
        )
    return kwargs


def _check_template_kwargs(model: LanguageModel, request: ChatRequest) -> None:
    allowed = model.spec.template_kwargs
    for name in request.template_kwargs:
        if name not in allowed:
            known = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
            param = f"chat_template_kwargs.{name[:64]}"
            raise UnsupportedParameter(
                f"{param} is not allowed for this model; {known}", param=param
            )


def _check_documents(model: LanguageModel, request: ChatRequest) -> None:
    if request.documents and model.template is not None and not model.template.takes_documents:
        raise UnsupportedParameter(
            "documents are not supported by this model: its chat template does not show them",
            param="documents",
        )


def _check_tools(model: LanguageModel, request: ChatRequest) -> None:
    choice = request.tool_choice
    if not request.tools:
        if choice.mode in FORCED:
            raise InvalidRequest("tool_choice needs tools to choose from", param="tool_choice")
        return
    if choice.mode == "none":
        return
    if model.spec.tool_call_parser is None:
        raise UnsupportedParameter(
            "tools are not supported by this model: it has no parser of tool calls; only"
            ' tool_choice "none" is possible',
            param="tools",
        )
    if model.template is not None and not model.template.takes_tools:
        raise UnsupportedParameter(
            "tools are not supported by this model: its chat template does not show them",
            param="tools",
        )
    names = list(_names(request.tools))
    if choice.name is not None and choice.name not in names:
        raise InvalidRequest(
            f"tool_choice names {choice.name!r}, which is not among the tools: {', '.join(names)}",
            param="tool_choice",
        )


def _names(tools: Sequence[Any]) -> Iterator[str]:
    return (tool["function"]["name"] for tool in tools)
