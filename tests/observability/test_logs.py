"""The two forms of a line: whatever is logged, each event is one line, or one and its traceback."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability import logs
from app.observability.log_fields import about, trace_ids
from app.observability.log_lines import (
    MAX_MESSAGE,
    JsonFormatter,
    TextFormatter,
)

TEXT, JSON = TextFormatter(), JsonFormatter()
COLOURED = TextFormatter(is_coloured=True)
STANDARD = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
TIMES = st.floats(min_value=0, max_value=4e9)
ANYTHING = st.text(st.characters())
FORGED = 'x\n2026-01-01 00:00:00,000 INFO app forged\r\x1b[2K\u2028{"level":"ERROR"}\ud800'


def record(created: float = 1.5, message: str = "GET in 3 ms", **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("app.web", logging.INFO, __file__, 1, "%s", (message,), None)
    made.created, made.msecs = created, (created % 1) * 1000
    for name, value in more.items():
        setattr(made, name, value)
    return made


def failed(text: str = "x") -> logging.LogRecord:
    made = record()
    try:
        raise KeyError(text)
    except KeyError:
        made.exc_info = sys.exc_info()
    return made


@given(created=st.lists(TIMES, min_size=1, max_size=5))
def test_times_are_those_of_the_events(created: list[float]) -> None:
    for at in created:
        assert TEXT.format(record(at)) == STANDARD.format(record(at))
        told = datetime.fromisoformat(json.loads(JSON.format(record(at)))["time"])
        expected = datetime.fromtimestamp(int(at), UTC)
        assert (told - expected).total_seconds() * 1000 == int((at % 1) * 1000)


def test_an_event_as_json() -> None:
    made = record(1.25, **about("req-1", status=200, finish_reasons=["stop"], key=None))
    assert json.loads(JSON.format(made)) == {
        "time": "1970-01-01T00:00:01.250Z",
        "level": "INFO",
        "logger": "app.web",
        "pid": made.process,
        "message": "GET in 3 ms",
        "request_id": "req-1",
        "status": 200,
        "finish_reasons": ["stop"],
    }


def test_an_event_in_words_says_nothing_twice() -> None:
    fields = about("req-1", status=200, model="m", seconds=0.25, stream=True, kinds=["a", "b"])
    line = TEXT.format(record(**fields))
    assert line.endswith(" INFO app.web GET in 3 ms model=m stream=true kinds=a,b")


def test_a_traceback_is_one_field_of_json() -> None:
    event = json.loads(JSON.format(failed()))
    assert event["traceback"].startswith("Traceback (most recent call last):\n")
    assert event["traceback"].endswith("KeyError: 'x'")


def test_a_traceback_in_words_is_below_its_line() -> None:
    first, *others = TEXT.format(failed()).split("\n")
    assert first.endswith("GET in 3 ms")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    KeyError: 'x'"


@pytest.mark.parametrize(
    "made",
    [
        lambda text: record(message=text),
        lambda text: record(**about(text)),
        lambda text: record(**about("a", path=text, many=[text])),
        failed,
    ],
    ids=["message", "request id", "field", "exception"],
)
@given(text=ANYTHING)
def test_no_text_makes_a_line_of_its_own(made: Any, text: str) -> None:
    for hostile in (text, FORGED + text):
        line = JSON.format(made(hostile))
        line.encode()
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        assert json.loads(line)["level"] == "INFO"
        first, *others = TEXT.format(made(hostile)).split("\n")
        assert all(part.startswith("    ") for part in others)
        assert all(part.isprintable() for part in (first, *others))


def test_lines_are_bounded() -> None:
    for form in (TEXT, JSON):
        assert len(form.format(record(message="a" * 10**6))) < MAX_MESSAGE + 200
        assert len(form.format(failed("a" * 10**6))) < 6 * MAX_MESSAGE


def test_what_is_no_json_is_told_all_the_same() -> None:
    event = json.loads(JSON.format(record(**about("a", big=2**70, odd={1, 2}))))
    assert event["big"] == 2**70
    assert event["odd"] == "{1, 2}"


def test_a_traced_request_names_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trace_ids, "req-1", "0af7")
    assert json.loads(JSON.format(record(**about("req-1"))))["trace_id"] == "0af7"
    assert "trace_id" not in json.loads(JSON.format(record(**about("req-2"))))


# ---- which of the two, and in which colours


class Terminal:
    def __init__(self, *, is_terminal: bool) -> None:
        self.isatty = lambda: is_terminal


@pytest.mark.parametrize(
    ("form", "is_terminal", "expected"),
    [
        ("auto", True, TextFormatter),
        ("auto", False, JsonFormatter),
        ("json", True, JsonFormatter),
        ("text", False, TextFormatter),
    ],
)
def test_the_form(
    monkeypatch: pytest.MonkeyPatch, form: str, is_terminal: bool, expected: type
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal(is_terminal=is_terminal))
    assert type(logs.log_handler(form).formatter) is expected


@pytest.mark.parametrize(
    ("environment", "is_terminal", "expected"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
    ],
)
def test_colours(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    is_terminal: bool,
    expected: bool,
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal(is_terminal=is_terminal))
    formatter = logs.log_handler("text").formatter
    assert formatter is not None
    made = record()
    made.levelname = "ERROR"
    assert ("\x1b[31mERROR\x1b[0m" in formatter.format(made)) is expected


def test_colours_change_no_words() -> None:
    coloured = COLOURED.format(record(**about("a", model="m")))
    for code in ("\x1b[2m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == TEXT.format(record(**about("a", model="m")))
