"""https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html#tokenizer-api"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.tokenization import DetokenizeSchema, TokenizeSchema
from app.services.tokenization import detokenize, tokenize
from app.types import Task
from app.web.calls import Call, takes
from app.web.json_answers import json_response

blueprint = Blueprint("tokenization", __name__)


@blueprint.post("/tokenize")
@takes(TokenizeSchema(), *Task)
def create_tokens(call: Call) -> Response:
    """The tokens of a prompt or a conversation."""
    model = call.server.catalogue.model(call.request.model)
    return json_response(tokenize(model, call.request))


@blueprint.post("/detokenize")
@takes(DetokenizeSchema(), *Task)
def create_text(call: Call) -> Response:
    """The text of tokens."""
    model = call.server.catalogue.model(call.request.model)
    return json_response(detokenize(model, call.request))
