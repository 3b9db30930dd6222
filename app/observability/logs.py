"""The application's own log, apart from the HTTP server's."""

from __future__ import annotations

import logging
import sys

from app.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
VERBOSE_LOGGERS = ("app.backends", "app.triton", "app.services")


def configure_logging(settings: Settings) -> None:
    """Send the application's log to standard error, at the level that LOG_LEVEL names.

    `verbose` adds what language models and Triton are asked and answer, without any prompt.
    """
    root = logging.getLogger("app")
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT))
        root.addHandler(handler)
        root.propagate = False
    # On a logger that is not the root NOTSET would mean the root's level, not "everything".
    root.setLevel(logging.DEBUG if settings.log_level == "NOTSET" else settings.log_level)
    for name in VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG if settings.is_verbose else logging.NOTSET)
