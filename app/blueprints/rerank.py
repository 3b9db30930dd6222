"""https://api.jina.ai/redoc#tag/rerank"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.rerank import RerankSchema
from app.services.rerank import rerank
from app.types import Task
from app.web.calls import Call, takes
from app.web.responses import json_response

blueprint = Blueprint("rerank", __name__)


@blueprint.post("/v1/rerank")
@takes(RerankSchema(), Task.RERANK)
def create_rerank(call: Call) -> Response:
    """Sort documents by how well they answer a query."""
    model = call.server.catalogue.rerank_model(call.request.model)
    return json_response(rerank(model, call.request, call.context))
