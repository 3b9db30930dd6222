"""Is the process alive, are its models ready, which version is it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.services.readiness import readiness
from app.version import VERSION
from app.web.calls import current_server
from app.web.json_answers import json_response

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
@blueprint.get("/livez")
def get_health() -> Response:
    """The process answers; no backend is asked."""
    return json_response({"status": "ok"})


@blueprint.get("/readyz")
def get_readiness() -> Response:
    """200 when every model is ready in its Triton, else 503, with each model's cause."""
    server = current_server()
    if server.lifecycle is not None and server.lifecycle.is_stopping:
        report: dict[str, Any] = {"status": "draining"}
    else:
        report = readiness(server.catalogue)
    if report["status"] == "ready":
        return json_response(report)
    response = json_response(report, 503)
    response.headers["Retry-After"] = "1"
    return response


@blueprint.get("/version")
def get_version() -> Response:
    """The version of the server."""
    return json_response({"version": VERSION})
