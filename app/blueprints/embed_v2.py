"""https://docs.cohere.com/reference/embed"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.embed_v2 import EmbedV2Schema
from app.services.embed_v2 import embed_v2
from app.types import Task
from app.web.calls import Call, takes
from app.web.json_answers import json_response

blueprint = Blueprint("embed_v2", __name__)


@blueprint.post("/v2/embed")
@takes(EmbedV2Schema(), Task.EMBED)
def create_embed_v2(call: Call) -> Response:
    """Turn texts into vectors of several types."""
    model = call.server.catalogue.embedding_model(call.request.model)
    return json_response(embed_v2(model, call.request, call.context))
