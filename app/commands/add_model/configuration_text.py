"""Adding entries to the text of a JSON file without touching the rest of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_LINE = 120
DEFAULT_INDENT = "    "
SPACE = re.compile(r"\s*")
FIRST_INDENT = re.compile(r"\{[ \t]*\r?\n([ \t]+)")


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value of the outermost object stands."""

    start: int
    end: int


def with_entries(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of an object of lists, with one more entry at the end of each of these lists.

    A section that is not there is made. The text must be JSON.
    """
    for section, entry in entries.items():
        text = _with_entry(text, section, entry)
    return text


def _with_entry(text: str, section: str, entry: Mapping[str, Any]) -> str:
    wanted = json.loads(text)
    wanted[section] = [*(wanted.get(section) or []), entry]
    changed = _inserted(text, section, entry)
    # Where the text is laid out in a way that is not foreseen, its form is lost, never its content.
    if _loaded(changed) == wanted:
        return changed
    return json.dumps(wanted, indent=4, ensure_ascii=False) + "\n"


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _inserted(text: str, section: str, entry: Mapping[str, Any]) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    found = FIRST_INDENT.search(text)
    indent = found[1] if found else DEFAULT_INDENT
    sections = _sections(text)
    if section in sections and text[sections[section].start] == "[":
        change = _into_list(text, sections[section], entry, indent)
    elif section in sections or not sections:
        return ""
    else:
        last = max(sections.values(), key=lambda value: value.end)
        body = f"[\n{indent * 2}{_dumped(entry, indent)}\n{indent}]"
        change = last.end, last.end, f",\n{indent}{json.dumps(section)}: {body}"
    start, end, new = change
    return text[:start] + new.replace("\n", newline) + text[end:]


def _into_list(
    text: str, value: _Value, entry: Mapping[str, Any], indent: str
) -> tuple[int, int, str]:
    """What to put where: (start, end, text)."""
    last = _last_item(text, value)
    if last is None:
        inside = f"[\n{indent * 2}{_dumped(entry, indent)}\n{indent}]"
        return value.start, value.end, inside
    line = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    if line.strip():
        # Items that share a line get another on it.
        return last.end, last.end, ", " + json.dumps(entry, ensure_ascii=False)
    return last.end, last.end, f",\n{line}{_dumped(entry, indent, line)}"


def _dumped(entry: Mapping[str, Any], indent: str, margin: str | None = None) -> str:
    margin = indent * 2 if margin is None else margin
    short = json.dumps(entry, ensure_ascii=False)
    if len(margin) + len(short) < MAX_LINE:
        return short
    return json.dumps(entry, indent=indent, ensure_ascii=False).replace("\n", "\n" + margin)


def _sections(text: str) -> dict[str, _Value]:
    """Each value of the outermost object by its key; of a repeated key the last, as in json."""
    found: dict[str, _Value] = {}
    decoder, position = json.JSONDecoder(), _after_space(text, text.index("{") + 1)
    while text[position] == '"':
        key, position = decoder.raw_decode(text, position)
        start = _after_space(text, _after_space(text, position) + 1)
        _, end = decoder.raw_decode(text, start)
        found[key] = _Value(start, end)
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    return found


def _last_item(text: str, value: _Value) -> _Value | None:
    decoder, position = json.JSONDecoder(), _after_space(text, value.start + 1)
    last = None
    while text[position] != "]":
        _, end = decoder.raw_decode(text, position)
        last = _Value(position, end)
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    return last


def _after_space(text: str, position: int) -> int:
    found = SPACE.match(text, position)
    return found.end() if found else position
