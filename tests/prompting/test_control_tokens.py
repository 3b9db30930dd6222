"""A control token's text that somebody typed is text: each tokenizer, token, place, position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from app.prompting.chat import encode_chat
from app.prompting.chat_templates import ChatTemplate
from app.prompting.tokenizers import Tokenizer
from tests.prompting.conversations import WEATHER, assistant, call, result, system, user
from tests.tokenizers.build import FAST, SLOW
from tests.tokenizers.cached import hub_tokenizer, tokenizer

pytestmark = pytest.mark.case("D6", "Control tokens in content, for each kind of tokenizer")

KINDS = [*FAST, *SLOW]
# Ids that stand for any unknown character too, in vocabularies that do not know all.
UNKNOWN = {"wordpiece": "[UNK]", "unigram": "<unk>"}
# chatglm2's tokenizer writes these before every prompt and knows no text for them.
COMMANDS = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop", "<bos>", "<eos>", "<pad>"]

POSITIONS: dict[str, Callable[[str], str]] = {
    "alone": lambda token: token,
    "beginning": lambda token: f"{token} is a word",
    "middle": lambda token: f"the word {token} is one",
    "inside a word": lambda token: f"wo{token}rd",
    "end": lambda token: f"a word is {token}",
    "repeated": lambda token: token * 3,
    "white space": lambda token: f" \n{token}\n ",
    "doubled edges": lambda token: f"{token[0]}{token}{token[-1]}",
}
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "user": lambda text: {"messages": [user(text)]},
    "system": lambda text: {"messages": [system(text), user("x")]},
    "assistant": lambda text: {"messages": [user("x"), assistant(text)]},
    "name": lambda text: {"messages": [{**user("x"), "name": text}]},
    "tool result": lambda text: {"messages": [user("x"), result("1", text)]},
    "call": lambda text: {"messages": [user("x"), assistant(None, call("1", text, "{}"))]},
    "argument": lambda text: {
        "messages": [user("x"), assistant(None, call("1", "f", f'{{"a": "{quoted(text)}"}}'))]
    },
    "argument's name": lambda text: {
        "messages": [user("x"), assistant(None, call("1", "f", f'{{"{quoted(text)}": 1}}'))]
    },
    "broken arguments": lambda text: {
        "messages": [user("x"), assistant(None, call("1", "f", f'{{"{quoted(text)}'))]
    },
    "tool": lambda text: {
        "messages": [user("x")],
        "tools": [{**WEATHER, "function": {"name": "f", "description": text}}],
    },
    "tool's field": lambda text: {
        "messages": [user("x")],
        "tools": [{"type": "function", "function": {"name": text, "parameters": {text: {}}}}],
    },
    "document": lambda text: {"messages": [user("x")], "documents": [{"title": text, text: "x"}]},
    "kwargs": lambda text: {"messages": [user("x")], "template_kwargs": {"style": text}},
}


def quoted(text: str) -> str:
    return text.replace("\n", "\\n")


def control_tokens(kind: str) -> dict[str, int]:
    if kind == "chatglm2":
        return {name: hub_tokenizer(kind).get_command(name) for name in COMMANDS}
    return {**tokenizer(kind).special_tokens, **tokenizer(kind).markup_tokens}


def typed_tokens(kind: str, place: str) -> list[str]:
    """What counts as typed there: the assistant's markup is its own."""
    is_own = place in ("assistant", "call", "argument", "argument's name", "broken arguments")
    markup = tokenizer(kind).markup_tokens if is_own else {}
    return [token for token in control_tokens(kind) if token not in markup]


@cache
def template(subject: Tokenizer) -> ChatTemplate:
    """Writes the first and the last special token around everything that it is given."""
    special = list(subject.special_tokens) or ["(", ")"]
    opening, closing = repr(special[0]), repr(special[-1])
    return ChatTemplate.from_source(
        f"{{#- {' '.join([*special, *subject.markup_tokens])} -#}}"
        "{%- for message in messages -%}"
        f"{{{{- {opening} ~ message.name ~ ' ' ~ message.content ~ {closing} -}}}}"
        "{%- for call in message.tool_calls or [] -%}"
        f"{{{{- {opening} ~ call.function | tojson ~ call.function.arguments ~ {closing} -}}}}"
        "{%- endfor -%}"
        "{%- endfor -%}"
        f"{{{{- {opening} ~ (tools or []) | tojson ~ documents | tojson ~ style ~ {closing} -}}}}"
    )


def encode(subject: Tokenizer, given: dict[str, Any], *, as_tokens: bool = False) -> list[int]:
    subject_template = template(subject)
    given = {"documents": [], **given}
    return encode_chat(subject, subject_template, special_tokens_in_content=as_tokens, **given)


def control_ids(kind: str, ids: Sequence[int]) -> list[int]:
    control = control_tokens(kind)
    ignored = control.get(UNKNOWN.get(kind, ""))
    return [at for at in ids if at in control.values() and at != ignored]


def readable(text: str) -> str:
    """A text but for what these tokenizers do to any: case, and spaces beside tokens."""
    return "".join(text.split()).lower()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_the_control_tokens_are_those_of_the_template(kind: str, place: str) -> None:
    subject = tokenizer(kind)
    written = control_ids(kind, encode(subject, PLACES[place]("word")))
    for token in typed_tokens(kind, place):
        for position, write in POSITIONS.items():
            ids = encode(subject, PLACES[place](write(token)))
            assert control_ids(kind, ids) == written, (token, position)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", PLACES)
def test_the_text_stays(kind: str, place: str) -> None:
    subject = tokenizer(kind)
    for token in typed_tokens(kind, place):
        for position, write in POSITIONS.items():
            given = {"documents": [], **PLACES[place](write(token))}
            shown = template(subject).render(**given, special_tokens={})
            text = subject.decode(encode(subject, given), skip_special_tokens=False)
            assert not any(0xE000 <= ord(char) < 0xF900 for char in text)
            if place in ("call", "argument", "argument's name", "broken arguments"):
                assert readable(text).count(readable(token)) >= 1, (token, position)
            else:
                assert readable(text) == readable(shown), (token, position)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_in_two_messages_is_text(kind: str) -> None:
    """Even where a template puts nothing between them."""
    subject = tokenizer(kind)
    source = "{% for message in messages %}{{ message.content | trim }}{% endfor %}"
    tokens = control_tokens(kind)
    joining = ChatTemplate.from_source(f"{{#- {' '.join(tokens)} -#}}{source}")
    for token in tokens:
        for cut in range(1, len(token)):
            messages = [user(f"x {token[:cut]} "), user(f" {token[cut:]} x")]
            ids = encode_chat(subject, joining, messages, special_tokens_in_content=False)
            assert control_ids(kind, ids) == control_ids(kind, subject.unwritable_prefix), token
            assert readable(token) in readable(subject.decode(ids, skip_special_tokens=False))


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_a_template_cuts_out_of_a_text_is_text(kind: str) -> None:
    """Mistral's takes the last nine characters of a call's id."""
    subject = tokenizer(kind)
    for token in control_tokens(kind):
        size = len(token)
        for cut in (f"[-{size}:]", f"[-{size + 1}:]", f"[:{size}]", f"[:{size + 1}]"):
            cutting = ChatTemplate.from_source(
                f"{{#- {token} -#}}a{{{{ messages[0].content{cut} }}}}b"
            )
            ids = encode_chat(subject, cutting, [user(token)], special_tokens_in_content=False)
            expected = control_ids(kind, subject.unwritable_prefix)
            assert control_ids(kind, ids) == expected, (token, cut)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "chatglm2"])
def test_a_model_may_allow_them(kind: str) -> None:
    """The tests above can fail: without the protection the tokens are there."""
    subject = tokenizer(kind)
    written = control_ids(kind, encode(subject, PLACES["user"]("word"), as_tokens=True))
    for token in typed_tokens(kind, "user"):
        if token == UNKNOWN.get(kind):
            continue
        ids = encode(subject, PLACES["user"](f"a {token} b"), as_tokens=True)
        assert len(control_ids(kind, ids)) == len(written) + 1, token
