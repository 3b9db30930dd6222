"""https://platform.openai.com/docs/api-reference/models"""

from __future__ import annotations

from flask import Blueprint, Response

from app.services.model_capabilities import describe_capabilities
from app.services.models import describe, list_models
from app.web.calls import current_server
from app.web.json_answers import json_response

blueprint = Blueprint("models", __name__)


@blueprint.get("/v1/models")
def get_models() -> Response:
    """List the configured models."""
    server = current_server()
    return json_response(list_models(server.catalogue.registry, server.created))


@blueprint.get("/v1/models/<path:name>")
def get_model(name: str) -> Response:
    """Describe one model, and what it can do."""
    server = current_server()
    model = server.catalogue.model(name)
    capabilities = describe_capabilities(model)
    return json_response({**describe(model.spec, server.created), "capabilities": capabilities})
