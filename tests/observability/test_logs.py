"""Lines are as the standard formatter writes them."""

from __future__ import annotations

import logging
import sys

from hypothesis import given
from hypothesis import strategies as st

from app.observability.logs import FORMAT, LineFormatter

LINES, STANDARD = LineFormatter(), logging.Formatter(FORMAT)
TIMES = st.floats(min_value=0, max_value=4e9)


def record(created: float) -> logging.LogRecord:
    made = logging.LogRecord("app.web", logging.INFO, __file__, 1, "%s in %d ms", ("GET", 3), None)
    made.created, made.msecs = created, (created % 1) * 1000
    return made


@given(created=st.lists(TIMES, min_size=1, max_size=5))
def test_a_line(created: list[float]) -> None:
    for at in created:
        assert LINES.format(record(at)) == STANDARD.format(record(at))


def test_an_error_with_its_traceback() -> None:
    failed = record(1.5)
    try:
        raise KeyError("x")
    except KeyError:
        failed.exc_info = sys.exc_info()
    assert LINES.format(failed) == STANDARD.format(failed)
    assert "KeyError: 'x'" in LINES.format(failed)
