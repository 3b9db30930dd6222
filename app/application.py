"""Putting the layers together: the only place that imports all of them."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace

from flask import Flask

from app.access.gate import open_gate
from app.blueprints import (
    anthropic_messages,
    chat,
    completions,
    docs,
    embed_v2,
    embeddings,
    health,
    metrics,
    models,
    openapi,
    playground,
    rerank,
    responses,
    score,
    tokenization,
)
from app.errors import ConfigurationError
from app.lifecycle import open_files
from app.lifecycle.service_folder import ServiceFolder
from app.lifecycle.worker import Lifecycle
from app.observability import tracing
from app.observability.gauges import follow
from app.observability.logs import configure_logging
from app.registry import read_registry
from app.registry.files import ConfigurationFiles
from app.services.catalogue import Catalogue, build_catalogue
from app.services.template_warnings import template_warning
from app.settings import PROJECT_ROOT, STARTED_AT, Settings
from app.web.access import register_access
from app.web.calls import Server
from app.web.contexts import register_request_context
from app.web.cross_origin import register_cross_origin
from app.web.errors import register_error_handlers
from app.web.large_bodies import LargeBodies
from app.web.open_requests import OpenRequests, register_open_requests
from app.web.scraping import register_metrics_address

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
    openapi,
    docs,
    metrics,
)


def build(settings: Settings | None = None) -> Flask:
    """The WSGI application; see `app.create_app`."""
    settings = settings or Settings.load()
    configure_logging(settings)
    tracing.configure(settings)
    folder = ServiceFolder.current()
    app = Flask("app", static_folder=None)
    requests = OpenRequests(open_files.possible(settings.worker_connections))
    # Before the configuration is read: one that is published from here on is another.
    lifecycle = _lifecycle(app, settings, folder, requests)
    catalogue = _published_catalogue(settings, folder)
    app.extensions["openai_api"] = Server(
        settings=settings,
        catalogue=catalogue,
        created=int(os.environ.get(STARTED_AT) or time.time()),
        open_requests=requests,
        large_bodies=LargeBodies(settings.max_bodies_bytes),
        lifecycle=lifecycle,
    )
    _show(catalogue, settings)
    # Redirects to a corrected path, and answers to OPTIONS, would not be JSON.
    app.url_map.merge_slashes = False
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    register_request_context(app, settings)
    register_open_requests(app, requests, lambda: lifecycle is not None and lifecycle.refuses_work)
    register_error_handlers(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    if settings.has_playground:
        app.register_blueprint(playground.blueprint)
    if settings.cors_origins:
        # Before keys are asked for: browsers ask for permission without one.
        register_cross_origin(app, settings.cors_origins)
    gate = open_gate(settings, folder)
    if gate is not None:
        # Last, so that what it refuses already has its id and its API's form of errors.
        register_access(app, gate)
    register_metrics_address(app, settings)
    if lifecycle is not None:
        lifecycle.watch()
    return app


def load_catalogue(
    settings: Settings, files: ConfigurationFiles, previous: Catalogue | None = None
) -> Catalogue:
    """The models of the configuration file, read from `files`.

    What has not changed since the `previous` catalogue is taken from it.

    Raises:
        ConfigurationError: every mistake in it, and every folder that cannot be used.
    """
    registry, problems = read_registry(settings.config_file, CHAT_TEMPLATES, files)
    return build_catalogue(registry, problems, settings, files, previous)


def _published_catalogue(
    settings: Settings, folder: ServiceFolder | None, previous: Catalogue | None = None
) -> Catalogue:
    """The models of the master's snapshot, or of the file itself where there is no master."""
    if folder is None:
        return load_catalogue(settings, ConfigurationFiles(), previous)
    snapshot = folder.snapshot()
    settings = replace(settings, config_file=snapshot.path)
    return load_catalogue(settings, ConfigurationFiles(snapshot.texts), previous)


def _lifecycle(
    app: Flask, settings: Settings, folder: ServiceFolder | None, requests: OpenRequests
) -> Lifecycle | None:
    if folder is None:
        log.info(
            "this host cannot reload the configuration or end open requests in order;"
            " restart it to change models"
        )
        return None
    return Lifecycle(
        folder,
        settings.graceful_timeout,
        reload=lambda: _reload(app, folder),
        end_requests=requests.end,
    )


def _reload(app: Flask, folder: ServiceFolder) -> None:
    """Put the snapshot's models in the place of those that are served, or log what is wrong."""
    server: Server = app.extensions["openai_api"]
    try:
        catalogue = _published_catalogue(server.settings, folder, server.catalogue)
    except ConfigurationError as error:
        for problem in error.problems:
            log.error("%s", problem)
        log.error("this worker keeps the configuration that it has")
        return
    app.extensions["openai_api"] = replace(server, catalogue=catalogue)
    _show(catalogue, server.settings)
    kept = sum(any(model is old for old in server.catalogue) for model in catalogue)
    models = list(catalogue)
    log.info("reloaded: %d models, %d of them as before", len(models), kept)


def _show(catalogue: Catalogue, settings: Settings) -> None:
    """Tell the log and the metrics about the models."""
    for warning in (*catalogue.registry.warnings, *filter(None, map(template_warning, catalogue))):
        log.warning("%s: %s", settings.config_file.name, warning)
    follow({model.spec.name: model.admission for model in catalogue})
