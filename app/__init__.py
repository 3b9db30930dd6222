"""An HTTP server that speaks the OpenAI API in front of Triton Inference Server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """The WSGI application. Settings come from the environment unless they are given.

    Raises:
        ConfigurationError: every problem of the settings and of the configuration file.
    """
    # Imported here, so that importing the package (in gunicorn's master, for one) stays free of
    # libraries that must not be loaded before gevent patches the standard library.
    from app.application import build

    return build(settings)
