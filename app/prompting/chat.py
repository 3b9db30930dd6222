"""A conversation as token ids: the template's control tokens once, nobody else's at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from app.errors import InvalidRequest
from app.observability.tracing import step
from app.prompting.chat_templates import ChatTemplate
from app.prompting.content_marks import Marks, map_strings, needs_marks
from app.prompting.tokenizers import Tokenizer
from app.prompting.tool_messages import with_parsed_arguments


@dataclass(frozen=True, slots=True)
class _Input:
    """All that a request brings into a template."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] | None
    documents: Sequence[Mapping[str, Any]] | None
    template_kwargs: Mapping[str, bool | str] | None


def encode_chat(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, Any]],
    *,
    special_tokens_in_content: bool,
    add_generation_prompt: bool = True,
    continue_final_message: bool = False,
    tools: Sequence[Mapping[str, Any]] | None = None,
    documents: Sequence[Mapping[str, Any]] | None = None,
    template_kwargs: Mapping[str, bool | str] | None = None,
    opening: str = "",
) -> list[int]:
    """Ids `[L]` of a rendered conversation, with `opening`, the answer's first words, behind it.

    Without a control token's text in what the request brings these are the ids of
    `apply_chat_template(tokenize=True)`; such text is plain text unless
    `special_tokens_in_content`. Roles are not looked at: a template may build control tokens of
    them, so the caller admits known ones only. The arguments of tool calls may be JSON text or
    objects. Raises InvalidRequest as ChatTemplate.render does.
    """

    def render(this: _Input) -> str:
        with step("render template"):
            rendered = template.render(
                this.messages,
                special_tokens=tokenizer.template_tokens,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
                tools=this.tools,
                documents=this.documents,
                template_kwargs=this.template_kwargs,
            )
        return rendered + opening

    def encode(this_messages: Sequence[Mapping[str, Any]]) -> list[int]:
        given = _Input(this_messages, tools, documents, template_kwargs)
        guard = _guard(tokenizer, template)
        if special_tokens_in_content or not guard.has_work(given):
            text = render(given)
            with step("tokenize"):
                return tokenizer.encode(text, add_special_tokens=False)
        marks = Marks(_strings(given))
        pieces = marks.split(render(guard.marked(given, marks)), guard.all_tokens)
        with step("tokenize"):
            return tokenizer.encode_pieces(pieces)

    return [*tokenizer.unwritable_prefix, *_with_either_arguments(encode, messages)]


def _with_either_arguments(
    encode: Callable[[Sequence[Mapping[str, Any]]], list[int]],
    messages: Sequence[Mapping[str, Any]],
) -> list[int]:
    """Tool calls' arguments as objects; as they were given to a template that fails on objects.

    DeepSeek-V3's joins them to a text with `+`.
    """
    parsed = with_parsed_arguments(messages)
    try:
        return encode(parsed)
    except InvalidRequest:
        if parsed == list(messages):
            raise
        return encode(messages)


class _Guard:
    """Which tokens are kept out of which strings.

    Special tokens are kept out of all; markup tokens (`<tool_call>`, `<think>`) that the template
    writes itself out of all but the assistant's messages, which rightly hold them.
    """

    def __init__(self, tokenizer: Tokenizer, template: ChatTemplate) -> None:
        special, markup = frozenset(tokenizer.special_tokens), frozenset(tokenizer.markup_tokens)
        self.all_tokens = special | markup
        self._special = special
        self._guarded = special | {token for token in markup if token in template.source}

    def _tokens(self, message: Mapping[str, Any]) -> frozenset[str]:
        return self._special if message.get("role") == "assistant" else self._guarded

    def has_work(self, given: _Input) -> bool:
        for message in given.messages:
            tokens = self._tokens(message)
            if any(needs_marks(text, tokens) for text in _strings(_without_role(message))):
                return True
        return any(needs_marks(text, self._guarded) for text in _strings(_beside(given)))

    def marked(self, given: _Input, marks: Marks) -> _Input:
        def change(value: Any, tokens: frozenset[str]) -> Any:
            return map_strings(value, lambda text: marks.around_tokens(text, tokens))

        def change_message(message: Mapping[str, Any]) -> dict[str, Any]:
            tokens = self._tokens(message)
            return {
                change(key, tokens): item if key == "role" else change(item, tokens)
                for key, item in message.items()
            }

        return replace(
            given,
            messages=list(map(change_message, given.messages)),
            tools=change(given.tools, self._guarded),
            documents=change(given.documents, self._guarded),
            template_kwargs=change(given.template_kwargs, self._guarded),
        )


# One for each model, and no longer: neither of the two changes, but a reload drops them.
_guards: WeakKeyDictionary[Tokenizer, WeakKeyDictionary[ChatTemplate, _Guard]]
_guards = WeakKeyDictionary()


def _guard(tokenizer: Tokenizer, template: ChatTemplate) -> _Guard:
    by_template = _guards.get(tokenizer)
    if by_template is None:
        by_template = _guards.setdefault(tokenizer, WeakKeyDictionary())
    guard = by_template.get(template)
    if guard is None:
        guard = by_template[template] = _Guard(tokenizer, template)
    return guard


def _without_role(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message but for its role, which templates compare."""
    return {key: value for key, value in message.items() if key != "role"}


def _beside(given: _Input) -> list[Any]:
    return [given.tools, given.documents, given.template_kwargs]


def _strings(value: Any) -> list[str]:
    """Every string that a template may print."""
    if isinstance(value, _Input):
        value = [*value.messages, *_beside(value)]
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    map_strings(value, note)
    return found
