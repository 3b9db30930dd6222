"""https://docs.vllm.ai/en/latest/models/pooling_models.html#score-api"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.score import ScoreSchema
from app.services.score import score
from app.types import Task
from app.web.calls import Call, takes
from app.web.json_answers import json_response

blueprint = Blueprint("score", __name__)


@blueprint.post("/v1/score")
@blueprint.post("/score")
@takes(ScoreSchema(), Task.RERANK, Task.EMBED)
def create_score(call: Call) -> Response:
    """Say how well pairs of texts go together."""
    model = call.server.catalogue.scoring_model(call.request.model)
    return json_response(score(model, call.request, call.context))
