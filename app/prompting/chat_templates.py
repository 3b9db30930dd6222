"""Chat templates: the one place where Jinja renders, in the sandbox of `transformers`.

https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from jinja2 import meta, nodes

from app.errors import InternalError, InvalidRequest

MAX_ADDED_CHARS = 64 * 1024  # what a template may write beside its input
# A message with one of them is shown to the template with others as well.
REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
CHARS_PER_ENTRY = 32  # quotes, indentation and role markers around one string of the input


class TemplateLoadError(Exception):
    """A template that is not Jinja; the message is one sentence with the line."""


class ChatTemplate:
    """A compiled chat template; several threads may render it at the same time.

    `takes_tools` and `takes_documents`: whether it uses the variable of that name; one that does
    not would leave out what a client gives there.
    """

    def __init__(self, source: str) -> None:
        from transformers.utils.chat_template_utils import _compile_jinja_template

        self.source = source
        self._template = _compile_jinja_template(source)
        tree = self._template.environment.parse(source)
        variables = meta.find_undeclared_variables(tree)
        self.takes_tools = "tools" in variables
        self.takes_documents = "documents" in variables
        self._has_developer_role = any(
            constant.value == "developer" for constant in tree.find_all(nodes.Const)
        )

    @classmethod
    def from_source(cls, source: str) -> ChatTemplate:
        """Compiles a template. Raises TemplateLoadError."""
        try:
            return cls(source)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateLoadError(
                f"The chat template is not valid Jinja, line {error.lineno}: {error.message}; "
                "correct that line."
            ) from None
        except Exception as error:  # constant expressions run while a template is compiled
            raise TemplateLoadError(f"The chat template cannot be compiled: {error}.") from None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        special_tokens: Mapping[str, str],
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        documents: Sequence[Mapping[str, Any]] | None = None,
        template_kwargs: Mapping[str, bool | str] | None = None,
    ) -> str:
        """The prompt text, as `apply_chat_template(tokenize=False)` of `transformers` gives it.

        `special_tokens`: what the template sees, `bos_token` -> text. Raises InvalidRequest with
        the template's own words where it refuses the messages, and for a prompt that is longer
        than its input by more than 64 KiB.
        """
        if continue_final_message and add_generation_prompt:
            raise InvalidRequest(
                "continue_final_message and add_generation_prompt exclude each other.",
                param="continue_final_message",
            )
        prompt = self._render(
            [self._present(message) for message in messages],
            tools=None if tools is None else [dict(tool) for tool in tools],
            documents=None if documents is None else [dict(each) for each in documents],
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            **{**special_tokens, **(template_kwargs or {})},
        )
        if len(prompt) > _num_chars([messages, tools, documents]) + MAX_ADDED_CHARS:
            raise InvalidRequest(
                f"The chat template makes {len(prompt)} characters of these messages, which is "
                f"more than {MAX_ADDED_CHARS} over their own length.",
                param="messages",
            )
        return prompt

    def _present(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A message without its null fields, which templates would print as "None"."""
        present = {key: value for key, value in message.items() if value is not None}
        if present.get("role") == "developer" and not self._has_developer_role:
            present["role"] = "system"
        return present

    def _render(
        self, messages: list[dict[str, Any]], continue_final_message: bool, **options: Any
    ) -> str:
        try:
            if continue_final_message or not _is_plain(messages, options):
                return self._rendered_by_hub(messages, continue_final_message, options)
            # The template of `transformers`, with its sandbox; values are JSON's own types.
            prompt: str = self._template.render(messages=messages, **options)
            return prompt
        except jinja2.exceptions.SecurityError as error:
            raise InternalError(
                "This model's chat template does what a template may not.", detail=str(error)
            ) from None
        except Exception as error:  # a template may fail in any way on input it does not expect
            raise _refusal(error, continue_final_message) from None

    def _rendered_by_hub(
        self, messages: list[dict[str, Any]], is_continued: bool, options: Mapping[str, Any]
    ) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered, _ = render_jinja_template(
            [messages],
            chat_template=self.source,
            continue_final_message=is_continued,
            **options,
        )
        prompt: str = rendered[0]
        return prompt


def _is_plain(messages: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> bool:
    """Whether `transformers` would only copy the input, a quarter of a short rendering's time."""
    if options["tools"] is not None or options["documents"] is not None:
        return False
    return not any(name in message for message in messages for name in REASONING_FIELDS)


def _refusal(error: Exception, is_continued: bool) -> InvalidRequest:
    if type(error) is jinja2.TemplateError and error.message:  # raise_exception()
        return InvalidRequest(error.message, param="messages")
    if is_continued and isinstance(error, ValueError):
        return InvalidRequest(
            "This model's chat template cannot continue the last message.",
            param="continue_final_message",
            detail=type(error).__name__,
        )
    return InvalidRequest(
        "This model's chat template cannot render these messages.",
        param="messages",
        detail=f"{type(error).__name__}: {error}"[:500],
    )


def _num_chars(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + CHARS_PER_ENTRY + _num_chars(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(CHARS_PER_ENTRY + _num_chars(item) for item in value)
    return CHARS_PER_ENTRY
