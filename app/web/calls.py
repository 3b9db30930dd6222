"""From an HTTP request to a frozen one: the decorator that the views share."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from flask import Response, current_app, g, request

from app import offload
from app.cancellation import Cancellation
from app.errors import ApiError
from app.lifecycle.worker import Lifecycle
from app.observability import prompt_log, tracing
from app.observability.log_fields import about
from app.observability.metrics import fields_ignored
from app.schemas.request import RequestSchema, model_name, parse
from app.services.catalogue import Catalogue
from app.settings import Settings
from app.types import RequestContext, Task
from app.web.contexts import current_request_id
from app.web.disconnects import watch
from app.web.errors import as_api_error
from app.web.json_answers import json_response
from app.web.json_body import parse_json, read_body
from app.web.large_bodies import BodyRoom, LargeBodies
from app.web.open_requests import OpenRequests
from app.web.request_timeout import TIMEOUT_HEADER, requested_deadline
from app.web.sse import PLAIN, StreamForm, event_stream_response

log = logging.getLogger(__name__)

# Parsing more than this takes longer than the event loop can bear.
MAX_BYTES_ON_LOOP = 64 * 1024
MAX_UNKNOWN_TOLD = 32
# Of a body, so that one with a million of them costs no more.
MAX_FIELDS = 256


@dataclass(frozen=True, slots=True)
class Server:
    """What the application serves. `created` is its start in Unix seconds.

    A reload puts another in its place; a request keeps the one that it began with. `lifecycle` is
    None where the host has no part for it.
    """

    settings: Settings
    catalogue: Catalogue
    created: int
    open_requests: OpenRequests
    large_bodies: LargeBodies
    lifecycle: Lifecycle | None


@dataclass(frozen=True, slots=True)
class Call:
    """One parsed request with what it needs."""

    request: Any
    context: RequestContext
    server: Server


class Generating(Protocol):
    """A prepared completion or chat."""

    def whole(self, context: RequestContext, patience: float) -> dict[str, Any]:
        """The answer at once."""

    def events(
        self, context: RequestContext, patience: float
    ) -> Generator[dict[str, Any] | bytes | None, None, None]:
        """The answer as stream events, those that are bytes as JSON; None for silence."""


def current_server() -> Server:
    """The server behind the current application."""
    server: Server = current_app.extensions["openai_api"]
    return server


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of body: what parses it, what answers it, and what makes the bodies of its errors.

    Another server's form is known by its field `sign`, and may leave out the model where there is
    only one for the task.
    """

    schema: RequestSchema
    view: Callable[[Call], Response]
    sign: str | None = None
    error_body: Callable[[ApiError], dict[str, Any]] | None = None


def takes(
    schema: RequestSchema, *tasks: Task, other: Form | None = None
) -> Callable[[Callable[[Call], Response]], Any]:
    """Parse the body with `schema` and hand the view a `Call`; look for the client meanwhile.

    The model must be for one of `tasks`. Problems of `model` are told before all others.
    """

    def decorate(view: Callable[[Call], Response]) -> Callable[[], Response]:
        @functools.wraps(view)
        def wrapper() -> Response:
            server = current_server()
            with server.large_bodies.room() as room:
                return answered(server, room)

        def answered(server: Server, room: BodyRoom) -> Response:
            settings, begun = server.settings, time.time_ns()
            raw = read_body(request, room, settings.max_body_bytes, settings.body_timeout)
            deadline = requested_deadline(request.headers.get(TIMEOUT_HEADER))
            prompt_log.log_body(current_request_id(), raw)
            context = RequestContext(
                current_request_id(), Cancellation(), deadline=deadline, trace=g.trace
            )
            g.open_request.cancellation = context.cancellation
            g.tally = context.tally
            registry, is_large = server.catalogue.registry, len(raw) > MAX_BYTES_ON_LOOP
            body = offload.run_if(is_large, parse_json, raw)
            form = other if other is not None and other.sign in body else Form(schema, view)
            if form.error_body is not None:
                g.error_body = form.error_body
            if form.sign is not None and body.get("model") is None:
                body["model"] = registry.only(*tasks).name
            registry.resolve(model_name(body), *tasks)
            _note_unknown(body, form.schema)
            parsed = offload.run_if(is_large, parse, form.schema, body)
            g.model = parsed.model
            tracing.stepped("parse", begun)
            return _watched(form.view, Call(parsed, context, server))

        return wrapper

    return decorate


def generated(generating: Generating, call: Call, form: StreamForm = PLAIN) -> Response:
    """The prepared generation as a whole answer or as a stream, as the request wants it."""
    patience = call.server.settings.keep_alive_interval
    if not call.request.stream:
        return json_response(generating.whole(call.context, patience))
    request_id, model = call.context.request_id, call.request.model

    def told(error: Exception) -> ApiError:
        return as_api_error(error, request_id, model)

    events = generating.events(call.context, patience)
    return event_stream_response(events, told, form, call.context.arrivals)


def _watched(view: Callable[[Call], Response], call: Call) -> Response:
    watching = watch(request.environ, call.context.cancellation.cancel)
    try:
        response = view(call)
    except BaseException:
        watching.stop()
        raise
    response.call_on_close(watching.stop)
    return response


def _note_unknown(body: dict[str, Any], schema: RequestSchema) -> None:
    known, names = schema.load_fields, islice(body, MAX_FIELDS)
    unknown = [name for name in names if name not in known]
    if unknown:
        fields_ignored(None if request.url_rule is None else request.url_rule.rule, len(unknown))
        told = sorted(name[:64] for name in unknown[:MAX_UNKNOWN_TOLD])
        extra = about(current_request_id())
        log.debug("fields that change nothing: %r", told, extra=extra)
