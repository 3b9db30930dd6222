"""The log: which lines there are, and in which form they are written to standard error."""

from __future__ import annotations

import logging
import sys

from app.observability import prompt_log
from app.observability.log_lines import JsonFormatter, TextFormatter
from app.observability.log_stream import standard_error
from app.settings import Settings
from app.terminal.styles import is_coloured

VERBOSE_LOGGERS = ("app.backends", "app.triton", "app.services")
# What tells of itself in the application's place, if it is there at all.
GUESTS = ("opentelemetry",)


def configure_logging(settings: Settings) -> None:
    """Send the application's log to standard error, at the level that LOG_LEVEL names.

    `verbose` adds what language models and Triton are asked and answer, without any prompt.
    """
    root = logging.getLogger("app")
    if not root.handlers:
        handler = log_handler(settings.log_format)
        for name in ("app", *GUESTS):
            logging.getLogger(name).addHandler(handler)
            logging.getLogger(name).propagate = False
    # On a logger that is not the root NOTSET would mean the root's level, not "everything".
    root.setLevel(logging.DEBUG if settings.log_level == "NOTSET" else settings.log_level)
    for name in VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if settings.is_verbose else logging.NOTSET)
    prompt_log.configure(is_on=settings.log_prompts)


def log_handler(form: str) -> logging.Handler:
    """What writes lines to standard error: `form` is auto, json or text.

    auto is text where people look, on a terminal.
    """
    handler = standard_error()
    handler.setFormatter(_formatter(form))
    return handler


def _formatter(form: str) -> logging.Formatter:
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    if form == "json" or (form == "auto" and not is_terminal):
        return JsonFormatter()
    return TextFormatter(is_coloured=is_terminal and is_coloured(sys.stderr))
