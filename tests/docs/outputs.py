"""Answers as the pages show them, and whether a shown answer is like a real one.

A shown answer is indented JSON in which `…` stands for anything: a value, the rest of a list, or
as a key the rest of an object.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

ANYTHING = "…"
# These differ from one answer to the next.
CHANGING = ("id", "created", "created_at", "completed_at")
# These are long, or repeat what is shown already.
LEFT_OUT = ("permission", "results")
# By the kind of object: what comes behind this key repeats the request.
LAST_KEYS = {"response": "usage"}
MOST_ITEMS = 4


def shown(body: str) -> str:
    """A body as a page shows it: a stream as it is, JSON indented and with long lists cut."""
    if body.startswith("data:"):
        return body.strip() + "\n"
    text = json.dumps(_cut(json.loads(body)), indent=2, ensure_ascii=False)
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda match: f"[{_one_line(match[1])}]", text)
    return text.replace(f'"{ANYTHING}"', ANYTHING) + "\n"


def assert_alike(page: str, body: str) -> None:
    """Fail unless a body has the shape and, but for ids and times, the values on the page."""
    if page.startswith("data:"):
        assert text_of(events(page)) == text_of(events(body))
        _compare(events(page)[0], events(body)[0], "first event")
        _compare(events(page)[-1], events(body)[-1], "last event")
        assert body.strip().endswith("data: [DONE]")
        return
    _compare(json.loads(page.replace(ANYTHING, f'"{ANYTHING}"')), json.loads(body), "")


def same_but_left_out(page: str, printed: str) -> bool:
    """Whether a program printed what the page shows, in which `…` stands for any words."""
    pattern = ".*".join(map(re.escape, page.split(ANYTHING)))
    return re.fullmatch(pattern, printed) is not None


def events(body: str) -> list[Any]:
    """The JSON of a stream's events."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line[:5] == "data:"]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def text_of(stream: list[Any]) -> str:
    """The content of a chat."""
    deltas = [choice["delta"] for event in stream for choice in event["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def _one_line(items: str) -> str:
    return re.sub(r"\s*\n\s*", " ", items)


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return _cut_object(value)
    if not isinstance(value, list):
        return value
    if value and isinstance(value[0], dict) and value[0].get("object") == "model":
        return [_cut(value[0]), ANYTHING]
    return [_cut(item) for item in value[:MOST_ITEMS]] + [ANYTHING] * (len(value) > MOST_ITEMS)


def _cut_object(value: dict[str, Any]) -> dict[str, Any]:
    last = LAST_KEYS.get(value.get("object", ""))
    names = list(value)
    kept = names[: names.index(last) + 1] if last else names
    cut = {name: [ANYTHING] if name in LEFT_OUT else _cut(value[name]) for name in kept}
    return cut if len(kept) == len(names) else {**cut, ANYTHING: ANYTHING}


def _compare(page: Any, real: Any, where: str) -> None:
    if page == ANYTHING:
        return
    if isinstance(page, dict):
        assert isinstance(real, dict), where
        if ANYTHING in page:
            page = {name: value for name, value in page.items() if name != ANYTHING}
            real = dict(list(real.items())[: len(page)])
        assert list(page) == list(real), where
        for name, value in page.items():
            if name not in CHANGING or isinstance(value, dict):
                _compare(value, real[name], f"{where}.{name}")
    elif isinstance(page, list):
        _compare_lists(page, real, where)
    elif isinstance(page, float):
        assert math.isclose(page, real, rel_tol=1e-3, abs_tol=1e-4), f"{where}: {page} and {real}"
    else:
        assert page == real, where


def _compare_lists(page: list[Any], real: Any, where: str) -> None:
    assert isinstance(real, list), where
    if page and page[-1] == ANYTHING:
        page, real = page[:-1], real[: len(page) - 1]
    assert len(page) == len(real), where
    for index, (left, right) in enumerate(zip(page, real, strict=True)):
        _compare(left, right, f"{where}[{index}]")
