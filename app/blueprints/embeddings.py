"""https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.embeddings import EmbeddingSchema
from app.services.embeddings import embed
from app.types import Task
from app.web.calls import Call, takes
from app.web.json_answers import json_response

blueprint = Blueprint("embeddings", __name__)


@blueprint.post("/v1/embeddings")
@takes(EmbeddingSchema(), Task.EMBED)
def create_embeddings(call: Call) -> Response:
    """Turn texts into vectors."""
    model = call.server.catalogue.embedding_model(call.request.model)
    return json_response(embed(model, call.request, call.context))
