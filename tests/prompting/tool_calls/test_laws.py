"""What holds for every family, for any text, cut anywhere."""

import json
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.prompting.tool_calls import PARSERS, ToolCallPiece, make_parser
from app.prompting.tool_calls.json_scanner import is_json
from tests.prompting.tool_calls.reading import TOOLS, Call, cut, join, parse
from tests.prompting.tool_calls.test_families import BROKEN_LATER, CALLS, NO_CALLS

common = settings(max_examples=60, deadline=None, database=None)
SYNTAX = [
    *("<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
    *("<|assistant|>", "<|python_start|>", "<|python_end|>", "<arg_key>", "</arg_key>"),
    *("<arg_value>", "</arg_value>", "```", "python", "tool_call(", '"name"', '"arguments"'),
    *('"parameters"', ": ", ", ", "{", "}", "[", "]", "(", ")", "\n", " ", ";", "<", "</", "="),
    *('"', "'", "\\", "a", "1", "-1.5e3", "true", "None", *TOOLS, *(f'"{name}"' for name in TOOLS)),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(SYNTAX),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(TOOLS)
IDENTIFIERS = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
ARGUMENTS = st.dictionaries(IDENTIFIERS, JSON, max_size=3)
CONTENT = st.lists(st.sampled_from(["Hi", " ", "\n", "you <b>", "<", "[", "1]", "{", "🦊"])).map(
    "".join
)
SIZES = st.lists(st.integers(0, 9), max_size=60)


def json_call(name, arguments, key="arguments"):
    return json.dumps({"name": name, key: arguments}, ensure_ascii=False)


def without_metadata(kind, text):
    """A text without the empty line that a plain reply of these families begins with."""
    return text.lstrip(" \t\r\n") if kind in ("chatglm3", "glm4") else text


def python_call(name, arguments):
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def tagged_call(name, arguments):
    pairs = "".join(
        f"<arg_key>{key}</arg_key>\n<arg_value>{json.dumps(value)}</arg_value>\n"
        for key, value in arguments.items()
    )
    return f"<tool_call>{name}\n{pairs}</tool_call>"


WRITTEN = {
    "hermes": lambda *call: f"<tool_call>\n{json_call(*call)}\n</tool_call>",
    "llama3_json": lambda *call: f"<|python_tag|>{json_call(*call, 'parameters')}",
    "mistral": lambda *call: f"[TOOL_CALLS] [{json_call(*call)}]",
    "chatglm3": lambda *call: (
        f"<|assistant|>{call[0]}\n```python\n{python_call('tool_call', call[1])}\n```"
    ),
    "glm4": lambda *call: f"<|assistant|>{call[0]}\n{json.dumps(call[1])}",
    "pythonic": lambda *call: f"<|python_start|>[{python_call(*call)}]<|python_end|>",
}


@pytest.mark.parametrize("kind", WRITTEN)
@common
@given(data=st.data())
def test_written_calls_are_read_however_they_are_cut(kind, data):
    calls = data.draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    text = data.draw(st.sampled_from(["", "Let me look. "])) + "\n".join(
        WRITTEN[kind](*call) for call in calls
    )
    items = parse(kind, *cut(text, data.draw(SIZES)))
    found = [(item.name, json.loads(item.arguments)) for item in items if isinstance(item, Call)]
    assert found == calls
    said = "".join(item for item in items if isinstance(item, str))
    assert said == ("Let me look. " if text.startswith("Let") else "")[: -1 if calls else None]


@pytest.mark.parametrize("kind", PARSERS)
@common
@given(data=st.data())
def test_cuts_change_nothing(kind, data):
    examples = [text for of, text, *_ in [*CALLS, *NO_CALLS, *BROKEN_LATER] if of == kind]
    parts = st.lists(st.sampled_from(examples + SYNTAX) | CONTENT | st.text(max_size=5), max_size=8)
    text = "".join(data.draw(parts))
    text = text[: data.draw(st.integers(0, len(text)))] if data.draw(st.booleans()) else text
    whole = parse(kind, text)
    assert parse(kind, *cut(text, data.draw(SIZES))) == whole
    assert parse(kind, *text) == whole


@pytest.mark.parametrize("kind", PARSERS)
@common
@given(parts=st.lists(st.sampled_from(SYNTAX), max_size=40))
@example(parts=["[TOOL_CALLS]", "f", "[CALL_ID]"])
@example(parts=["f", "\n", "```", "python", "tool_call(", "a", "=", '"', "\\"])
@example(parts=["[", "f", "(", "a", "=", "[" * 70])
@example(parts=["<tool_call>", "{", '"name"', ":", '"f"', ",", '"arguments"', ":"] + ['{"":'] * 70)
def test_no_text_is_an_error_and_without_calls_all_of_it_is_content(kind, parts):
    items = parse(kind, *parts)
    if all(isinstance(item, str) for item in items):
        assert "".join(items) == without_metadata(kind, "".join(parts))


@pytest.mark.parametrize("kind", PARSERS)
@common
@given(text=st.text(max_size=80), sizes=SIZES)
def test_text_without_syntax_is_content_but_for_space_around_it(kind, text, sizes):
    text = "".join(char for char in text if char not in "<[{")
    said = "".join(map(str, parse(kind, *cut(text, sizes))))
    assert said == without_metadata(kind, text)


@pytest.mark.parametrize("kind", sorted(set(PARSERS) - {"chatglm3", "glm4"}))
def test_content_goes_out_at_once(kind):
    parser = make_parser(kind, TOOLS)
    assert parser.push("Hello") == ["Hello"]
    assert parser.push(" you <b>") == [" you <b>"]
    assert parser.push("! ") == ["!"]
    assert parser.push("So") == [" So"]
    assert parser.flush() == []


def test_only_the_beginning_of_a_marker_is_held_back():
    parser = make_parser("hermes", TOOLS)
    assert parser.push("see <tool_c") == ["see"]
    assert parser.push("at>") == [" <tool_cat>"]


def test_arguments_go_out_as_they_come():
    parser = make_parser("hermes", TOOLS)
    assert parser.push('<tool_call>\n{"name": "f", "argum') == []
    assert not parser.is_between_calls
    assert parser.push('ents": {"a') == [ToolCallPiece(0, "f", '{"a')]
    assert (parser.num_calls, parser.is_between_calls) == (1, False)
    assert parser.push('": "x') == [ToolCallPiece(0, None, '": "x')]
    assert parser.push('"}') == [ToolCallPiece(0, None, '"}')]
    assert parser.is_between_calls
    assert parser.push('}\n</tool_call>\n<tool_call>{"name": "f", "arguments": {') == [
        ToolCallPiece(1, "f", "{")
    ]
    assert not parser.is_between_calls


def test_an_answer_in_json_is_not_held_back():
    parser = make_parser("llama3_json", TOOLS)
    assert parser.push('{"temperature":') == ['{"temperature":']


@common
@given(value=JSON, indent=st.sampled_from([None, 1]), is_ascii=st.booleans())
def test_any_json_is_passed_on_as_it_was_written(value, indent, is_ascii):
    arguments = json.dumps({"x": value}, indent=indent, ensure_ascii=is_ascii)
    text = f"[TOOL_CALLS]f{arguments}"
    assert parse("mistral", *text) == [Call("f", arguments)]


@common
@given(text=st.text(st.sampled_from('{}[]",:0123.eE+-truefalsn\\u \n'), max_size=12))
@example(text="[01]")
@example(text='"\\x"')
@example(text='"\n"')
@example(text="-0.0E+1 ")
def test_json_is_what_pythons_reader_takes(text):
    try:
        json.loads(text, parse_constant=int)  # raises ValueError for NaN
        is_valid = True
    except ValueError:
        is_valid = False
    assert is_json(text) == is_valid


def test_json_may_be_nested_64_deep():
    assert is_json("[" * 64 + "]" * 64)
    assert not is_json("[" * 65 + "]" * 65)
    deep = f'{{"x": {"[" * 63 + "]" * 63}}}'
    assert parse("mistral", f"[TOOL_CALLS]f{deep}") == [Call("f", deep)]
    deeper = f'{{"x": {"[" * 64 + "]" * 64}}}'
    assert parse("mistral", f"[TOOL_CALLS]f{deeper}") == [Call("f", deeper[:69]), deeper[69:]]


@common
@given(values=ARGUMENTS)
def test_python_literals_become_the_same_json(values):
    (call,) = parse("pythonic", f"[{python_call('f', values)}]")
    assert json.loads(call.arguments) == values


PYTHON = [
    (r"'\x41\u00e9\n\'\101\d'", "Aé\n'A\\d"),
    (r"'\ud83e\udd8a \ud83e'", "🦊 �"),
    ("'''it's\n\\''''", "it's\n'"),
    ('""', ""),
    ("(1)", 1),
    ("()", []),
    ("(1,)", [1]),
    ("+1_000", 1000),
    ("-.5e1", -5.0),
    ("5.", 5),
    ("true", True),
    ("{'a': {}, }", {"a": {}}),
]


@pytest.mark.parametrize(("literal", "value"), PYTHON)
def test_each_form_of_a_python_literal(literal, value):
    for parts in ([f"[f(a={literal})]"], f"[f(a={literal})]"):
        (call,) = parse("pythonic", *parts)
        assert json.loads(call.arguments) == {"a": value}


@pytest.mark.parametrize(
    "literal", ["b'x'", "f'x'", "007", "1+1", "1 2", "nan", "{1: 2}", "{1}", "x", "", "-", ".", "'"]
)
def test_what_is_no_literal_is_no_call(literal):
    text = f"[f(a={literal})]."
    (item, *rest) = parse("pythonic", text)
    assert item == text or (literal == "'" and item == Call("f", "{"))
    assert not rest


def count_calls(kind, *parts):
    """How many functions are called for a text, those written in C as well."""
    num_calls = 0

    def count(_frame, event, _argument):
        nonlocal num_calls
        num_calls += event in ("call", "c_call")

    parser = make_parser(kind, TOOLS)
    sys.setprofile(count)
    try:
        pieces = [piece for part in parts for piece in parser.push(part)]
    finally:
        sys.setprofile(None)
    return num_calls, pieces + parser.flush()


@pytest.mark.parametrize(
    "head",
    ['<tool_call>{"name": "f", "arguments": {"a": "', '<tool_call>{"arguments": {"a": "'],
    ids=["passed on", "held"],
)
def test_the_work_grows_as_the_text_does(head):
    num_small, _ = count_calls("hermes", head, *"x" * 10_000)
    num_large, pieces = count_calls("hermes", head, *"x" * 40_000)
    assert num_large < 4.1 * num_small
    assert sum(len(getattr(item, "arguments", item)) for item in join(pieces)) >= 40_000
