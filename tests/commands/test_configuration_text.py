"""Entries that are added to a file whose form is somebody's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.commands.add_model.configuration_text import with_entries

ENTRY = {"name": "new", "url": "localhost:8001", "path": "/models/new"}
LINE = json.dumps(ENTRY)
SHORT = {"name": "n"}

CASES = {
    "items on lines of their own": (
        '{\n  "llm": [\n    {"name": "a"},\n    {"name": "b"}\n  ]\n}\n',
        '{\n  "llm": [\n    {"name": "a"},\n    {"name": "b"},\n    {"name": "n"}\n  ]\n}\n',
    ),
    "items on one line": (
        '{"llm": [{"name": "a"}], "rerank": []}',
        '{"llm": [{"name": "a"}, {"name": "n"}], "rerank": []}',
    ),
    "an empty list": (
        '{\n\t"llm": [],\n\t"rerank": []\n}',
        '{\n\t"llm": [\n\t\t{"name": "n"}\n\t],\n\t"rerank": []\n}',
    ),
    "no such section": (
        '{\n    "rerank": [ ]\n}\n',
        '{\n    "rerank": [ ],\n    "llm": [\n        {"name": "n"}\n    ]\n}\n',
    ),
    "line ends of another system": (
        '{\r\n  "llm": [\r\n    {"name": "a"}\r\n  ]\r\n}\r\n',
        '{\r\n  "llm": [\r\n    {"name": "a"},\r\n    {"name": "n"}\r\n  ]\r\n}\r\n',
    ),
    "brackets and quotes in texts": (
        '{\n  "llm": [\n    {"name": "]}\\"[{,"}\n  ]\n}',
        '{\n  "llm": [\n    {"name": "]}\\"[{,"},\n    {"name": "n"}\n  ]\n}',
    ),
    "a list that is null": (
        '{"llm": null}',
        '{\n    "llm": [\n        {\n            "name": "n"\n',
    ),
    "nothing": ("{}\n", '{\n    "llm": [\n        {\n            "name": "n"\n'),
}


@pytest.mark.parametrize("case", CASES)
def test_the_rest_stays_as_it_is(case: str) -> None:
    before, after = CASES[case]
    assert with_entries(before, {"llm": SHORT}).startswith(after)


def test_a_long_entry_has_a_line_for_each_key() -> None:
    entry = {**ENTRY, "path": "/models/" + "x" * 80}
    text = with_entries('{\n  "llm": [\n    {"name": "a"}\n  ]\n}', {"llm": entry})
    assert '\n    {\n      "name": "new",\n      "url"' in text
    assert text.endswith('"\n    }\n  ]\n}')


def test_several_sections() -> None:
    text = with_entries("{}", {"llm": SHORT, "model_infos": SHORT})
    assert json.loads(text) == {"llm": [SHORT], "model_infos": [SHORT]}


SECTIONS = ("model_infos", "llm", "embedding", "rerank")
entries = st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.lists(st.text()))


@given(
    content=st.dictionaries(st.sampled_from(SECTIONS), st.lists(entries, max_size=3)),
    section=st.sampled_from(SECTIONS),
    entry=entries,
    indent=st.sampled_from([None, 0, 1, 2, 4, "\t"]),
    is_ascii=st.booleans(),
)
def test_the_content_is_what_was_there_and_the_entry(
    content: dict[str, Any], section: str, entry: dict[str, Any], indent: Any, is_ascii: bool
) -> None:
    text = json.dumps(content, indent=indent, ensure_ascii=is_ascii)
    found = json.loads(with_entries(text, {section: entry}))
    assert found == {**content, section: [*content.get(section, []), entry]}
