"""One event of the log as one line: JSON for programs, words for people."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import orjson

from app.observability.log_fields import fields_of

# Characters of a message or of a field; and of a traceback.
MAX_MESSAGE = 8192
MAX_TRACEBACK = 32 * 1024
INDENT = "    "
# What a message says already, so that a line for people does not say it twice.
SAID = frozenset({"request_id", "method", "path", "status", "key", "seconds"})
STYLES = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
DIM = "2"


def one_line(message: str) -> str:
    """The message with escapes for what could pass for another line, or steer a terminal."""
    if message.isprintable() and len(message) <= MAX_MESSAGE:
        return message
    shown = message[:MAX_MESSAGE]
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return escaped if len(message) <= MAX_MESSAGE else escaped + "…"


class _LineFormatter(logging.Formatter):
    """What both forms share. Times are put into words once a second, not for each line."""

    time_format: str

    def __init__(self) -> None:
        super().__init__()
        self._shown = (-1, "")

    def _second(self, record: logging.LogRecord) -> str:
        second, shown = self._shown
        if second != int(record.created):
            second = int(record.created)
            shown = time.strftime(self.time_format, self.converter(second))
            self._shown = second, shown
        return shown

    def _traceback(self, record: logging.LogRecord) -> str:
        """The lines of the traceback, "" if there is none. Each is escaped as a message is."""
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        text = "\n".join(filter(None, [record.exc_text, record.stack_info]))
        # The end says what went wrong.
        return "\n".join(map(one_line, text[-MAX_TRACEBACK:].split("\n")))


class TextFormatter(_LineFormatter):
    """`2026-01-31 12:00:00,123 INFO app.requests message name=value`, a traceback indented below.

    Only the first line of an event begins at the margin.
    """

    time_format = "%Y-%m-%d %H:%M:%S"

    def __init__(self, *, is_coloured: bool = False) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """The event in words."""
        at = self._styled(f"{self._second(record)},{int(record.msecs):03d}", DIM)
        level = self._styled(record.levelname, STYLES.get(record.levelname))
        line = f"{at} {level} {record.name} {one_line(record.getMessage())}"
        for name, value in fields_of(record).items():
            if name not in SAID:
                line += f" {self._styled(name, DIM)}={_shown(value)}"
        found = self._traceback(record)
        return line + "".join(f"\n{INDENT}{part}" for part in found.split("\n") if part)

    def _styled(self, text: str, style: str | None) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._is_coloured and style else text


class JsonFormatter(_LineFormatter):
    """An object with `time`, `level`, `logger`, `pid`, `message`, the event's fields, `traceback`.

    The time is that of Greenwich.
    """

    time_format = "%Y-%m-%dT%H:%M:%S"
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The event as JSON on one line."""
        event = {
            "time": f"{self._second(record)}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": one_line(record.getMessage()),
        }
        for name, value in fields_of(record).items():
            event[name] = one_line(value) if isinstance(value, str) else value
        found = self._traceback(record)
        if found:
            event["traceback"] = found
        try:
            line = orjson.dumps(event, default=repr).decode()
        except TypeError:
            # Integers of more than 64 bits, and half characters.
            return json.dumps(event, default=repr)
        return line if line.isprintable() else json.dumps(event, default=repr)


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_shown, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else one_line(str(value))
