"""The application's own log, apart from the HTTP server's."""

from __future__ import annotations

import logging
import sys
import time

from app.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# Characters of one event; a traceback is not counted.
MAX_MESSAGE = 8192
VERBOSE_LOGGERS = ("app.backends", "app.triton", "app.services")


class LineFormatter(logging.Formatter):
    """The default form of lines; their time is put into words once a second, not for each line."""

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self._shown = (-1, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # the base's name
        """The local time with milliseconds."""
        second, shown = self._shown
        if second != int(record.created):
            second = int(record.created)
            shown = time.strftime(self.default_time_format, self.converter(second))
            self._shown = second, shown
        return f"{shown},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the base's name
        """FORMAT, without looking for its fields in the record's dict; always one line."""
        return f"{record.asctime} {record.levelname} {record.name} {one_line(record.message)}"


def one_line(message: str) -> str:
    """The message with escapes for what could pass for another line, or steer a terminal."""
    if message.isprintable() and len(message) <= MAX_MESSAGE:
        return message
    shown = message[:MAX_MESSAGE]
    escaped = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return escaped if len(message) <= MAX_MESSAGE else escaped + "…"


def configure_logging(settings: Settings) -> None:
    """Send the application's log to standard error, at the level that LOG_LEVEL names.

    `verbose` adds what language models and Triton are asked and answer, without any prompt.
    """
    root = logging.getLogger("app")
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter())
        root.addHandler(handler)
        root.propagate = False
    # On a logger that is not the root NOTSET would mean the root's level, not "everything".
    root.setLevel(logging.DEBUG if settings.log_level == "NOTSET" else settings.log_level)
    for name in VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if settings.is_verbose else logging.NOTSET)
