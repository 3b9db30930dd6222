"""https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from flask import Blueprint, Response

from app.schemas.chat import ChatSchema
from app.services.chat import Chat
from app.types import Task
from app.web.calls import Call, generated, takes

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
@takes(ChatSchema(), Task.GENERATE)
def create_chat_completion(call: Call) -> Response:
    """Answer a conversation."""
    model = call.server.catalogue.language_model(call.request.model)
    return generated(Chat(model, call.request, call.server.settings.response_role), call)
