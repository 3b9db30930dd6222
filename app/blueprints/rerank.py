"""https://api.jina.ai/redoc#tag/rerank, https://docs.cohere.com/reference/rerank,
https://huggingface.github.io/text-embeddings-inference
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.errors import ApiError
from app.schemas.rerank import RerankSchema, TextsRerankSchema
from app.services.rerank import rerank, rerank_texts, rerank_v2
from app.types import Task
from app.web.calls import Call, Form, takes
from app.web.json_answers import json_response

blueprint = Blueprint("rerank", __name__)

# What Text Embeddings Inference calls an error; other statuses are the request's or the backend's.
ERROR_KINDS = {429: "Overloaded", 503: "Unhealthy"}


def _texts_error(error: ApiError) -> dict[str, Any]:
    fallback = "Validation" if error.status < 500 else "Backend"
    kind = ERROR_KINDS.get(error.status, fallback)
    return {"error": error.message, "error_type": kind}


def _rerank_texts(call: Call) -> Response:
    model = call.server.catalogue.rerank_model(call.request.model)
    return json_response(rerank_texts(model, call.request, call.context))


TEXTS = Form(TextsRerankSchema(), _rerank_texts, sign="texts", error_body=_texts_error)


@blueprint.post("/v1/rerank")
@takes(RerankSchema(), Task.RERANK)
def create_rerank(call: Call) -> Response:
    """Sort documents by how well they answer a query."""
    model = call.server.catalogue.rerank_model(call.request.model)
    return json_response(rerank(model, call.request, call.context))


@blueprint.post("/rerank")
@takes(RerankSchema(), Task.RERANK, other=TEXTS)
def create_any_rerank(call: Call) -> Response:
    """The same, also for bodies of Text Embeddings Inference."""
    model = call.server.catalogue.rerank_model(call.request.model)
    return json_response(rerank(model, call.request, call.context))


@blueprint.post("/v2/rerank")
@takes(RerankSchema(), Task.RERANK)
def create_rerank_v2(call: Call) -> Response:
    """The same in Cohere's second shape."""
    model = call.server.catalogue.rerank_model(call.request.model)
    return json_response(rerank_v2(model, call.request, call.context))
