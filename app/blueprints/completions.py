"""https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.completions import CompletionSchema
from app.services.completions import Completion
from app.types import Task
from app.web.calls import Call, generated, takes

blueprint = Blueprint("completions", __name__)


@blueprint.post("/v1/completions")
@takes(CompletionSchema(), Task.GENERATE)
def create_completion(call: Call) -> Response:
    """Continue prompts."""
    model = call.server.catalogue.language_model(call.request.model)
    return generated(Completion(model, call.request), call)
