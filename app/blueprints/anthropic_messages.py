"""https://docs.claude.com/en/api/messages"""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from app.schemas.anthropic_messages import AnthropicMessagesSchema, CountTokensSchema
from app.services.anthropic_messages import AnthropicMessage, count_tokens, error_body
from app.types import Task
from app.web.calls import Call, generated, takes
from app.web.contexts import current_request_id
from app.web.json_answers import json_response
from app.web.sse import StreamForm

blueprint = Blueprint("anthropic_messages", __name__)

PATH = "/v1/messages"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


@blueprint.before_app_request
def use_error_form() -> None:
    """Anthropic's errors for everything below the path, also where there is no view."""
    if request.path == PATH or request.path.startswith(f"{PATH}/"):
        g.error_body = error_body


@blueprint.after_request
def add_request_id(response: Response) -> Response:
    """The request's id under the name by which Anthropic's clients look for it."""
    response.headers["request-id"] = current_request_id()
    return response


@blueprint.post(PATH)
@takes(AnthropicMessagesSchema(), Task.GENERATE)
def create_message(call: Call) -> Response:
    """Answer a conversation."""
    model = call.server.catalogue.language_model(call.request.model)
    message = AnthropicMessage(model, call.request)
    form = StreamForm(is_named=True, silence=PING, end=b"", failure=message.failure)
    return generated(message, call, form)


@blueprint.post(f"{PATH}/count_tokens")
@takes(CountTokensSchema(), Task.GENERATE)
def count_message_tokens(call: Call) -> Response:
    """Count the tokens of a conversation; no backend is asked."""
    model = call.server.catalogue.language_model(call.request.model)
    return json_response(count_tokens(model, call.request))
