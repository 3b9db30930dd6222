"""Putting the layers together: the only place that imports all of them."""

from __future__ import annotations

import logging
import os
import time

from flask import Flask

from app.blueprints import (
    anthropic_messages,
    chat,
    completions,
    embed_v2,
    embeddings,
    health,
    models,
    rerank,
    responses,
    score,
    tokenization,
)
from app.observability.logs import configure_logging
from app.registry import read_registry
from app.services.catalogue import Catalogue, build_catalogue
from app.services.template_warnings import template_warning
from app.settings import PROJECT_ROOT, STARTED_AT, Settings
from app.web.calls import Server
from app.web.contexts import register_request_context
from app.web.errors import register_error_handlers

log = logging.getLogger(__name__)

CHAT_TEMPLATES = PROJECT_ROOT / "chat_templates"
BLUEPRINTS = (
    models,
    completions,
    chat,
    responses,
    anthropic_messages,
    embeddings,
    embed_v2,
    rerank,
    score,
    tokenization,
    health,
)


def build(settings: Settings | None = None) -> Flask:
    """The WSGI application; see `app.create_app`."""
    settings = settings or Settings.load()
    configure_logging(settings)
    catalogue = load_catalogue(settings)
    for warning in (*catalogue.registry.warnings, *filter(None, map(template_warning, catalogue))):
        log.warning("%s: %s", settings.config_file.name, warning)
    app = Flask("app", static_folder=None)
    app.extensions["openai_api"] = Server(
        settings=settings,
        catalogue=catalogue,
        created=int(os.environ.get(STARTED_AT) or time.time()),
    )
    # Redirects to a corrected path, and answers to OPTIONS, would not be JSON.
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    register_request_context(app, settings)
    register_error_handlers(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    return app


def load_catalogue(settings: Settings) -> Catalogue:
    """The models of the configuration file.

    Raises:
        ConfigurationError: every mistake in it, and every folder that cannot be used.
    """
    registry, problems = read_registry(settings.config_file, CHAT_TEMPLATES)
    return build_catalogue(registry, problems, settings)
