"""The paths that no model answers."""

from __future__ import annotations

from typing import Any

from app import errors
from app.schemas.openapi.generation_operations import CHAT
from app.schemas.openapi.operation import ALWAYS, Operation

HEALTH: dict[str, Any] = {"tag": "Server", "is_open": True, "kinds": (errors.InternalError,)}
STOPS_OR_NOT_READY = "Some models are not ready, each with its cause; or the server is stopping."
NOT_READY = {503: (STOPS_OR_NOT_READY, "Readiness")}
SERVER = (
    Operation(
        path="/v1/models",
        id="get_models",
        tag="Models",
        summary="List the configured models.",
        answers=("Models",),
    ),
    Operation(
        path="/v1/models/{id}",
        id="get_model",
        tag="Models",
        summary="Describe one model, and what it can do.",
        answers=("ModelWithCapabilities",),
        kinds=(errors.ModelNotFound, *ALWAYS),
        examples={"id": CHAT},
    ),
    Operation(
        path="/health",
        id="get_health",
        summary="The process answers; no backend is asked.",
        answers=("Health",),
        **HEALTH,
    ),
    Operation(
        path="/livez",
        id="get_liveness",
        summary="The same.",
        answers=("Health",),
        **HEALTH,
    ),
    Operation(
        path="/readyz",
        id="get_readiness",
        summary="Whether every model is ready in its Triton.",
        answers=("Readiness",),
        other=NOT_READY,
        **HEALTH,
    ),
    Operation(
        path="/version",
        id="get_version",
        summary="The version of the server.",
        answers=("Version",),
        **HEALTH,
    ),
    Operation(
        path="/metrics",
        id="get_metrics",
        tag="Server",
        summary="What the server does, in numbers, as Prometheus reads them.",
        answers=("Metrics",),
        kinds=(errors.NotFound, *ALWAYS),
        content_type="text/plain",
    ),
    Operation(
        path="/openapi.json",
        id="get_openapi",
        summary="This document.",
        answers=("Document",),
        **HEALTH,
    ),
)
