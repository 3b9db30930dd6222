"""https://spec.openapis.org/oas/v3.1.1"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from app.errors import ApiError
from app.schemas.openapi import answers, conversations, generation_answers, translated_answers
from app.schemas.openapi.fields import json_schema
from app.schemas.openapi.meanings import MEANINGS, OF_BODIES
from app.schemas.openapi.operation import BODIES, NEEDS_NO_MODEL, OF_KEYS, Kinds, Operation
from app.schemas.openapi.operations import OPERATIONS
from app.schemas.openapi.shapes import INTEGER, OBJECT, STRING, JsonSchema, nullable, ref, union
from app.schemas.request import RequestSchema
from app.version import VERSION

# Once with keys and once without is all that one process serves.
MAX_DOCUMENTS = 4
# Seconds, of six digits at most.
MAX_TIMEOUT = 999_999

JSON = "application/json"
DESCRIPTION = (
    "The OpenAI API in front of Triton Inference Server. A field that is null is a field that is"
    " absent. Rules that hold between several fields are not in this document; a request that"
    " breaks one is answered 400, with the field as `param`. Strings may not hold the character"
    " NUL or lone surrogates."
)
# Two ways to send one of the server's keys.
KEYS: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}
HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The request's own x-request-id if it is one, else a new one.",
        "required": True,
        "schema": {**STRING, "pattern": "^[A-Za-z0-9_.:-]{1,128}$"},
    },
    "RetryAfter": {"description": "Seconds to wait.", "schema": INTEGER},
}
RETRY_STATUSES = (429, 503)
PARAMETERS: dict[str, Any] = {
    "X-Request-Timeout": {
        "description": "The answer must be complete in so many seconds; it only shortens limits.",
        "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_TIMEOUT},
        "example": 60,
    },
    "x-request-id": {
        "description": "The id of the request, in the logs and in the answer: 1 to 128 letters,"
        " digits and any of `_.:-`. In place of any other a new one is made.",
        "schema": STRING,
        "example": "my-request-1",
    },
}


class _Converter(OpenAPIConverter):
    """What apispec makes of our fields, which say themselves what they take."""

    def field2property(self, field: Any) -> JsonSchema:
        return json_schema(field)


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


@lru_cache(MAX_DOCUMENTS)
def document(paths: frozenset[str], *, needs_key: bool) -> bytes:
    """The document of a server with these paths, as JSON."""
    return orjson.dumps(as_dict(paths, needs_key=needs_key))


def as_dict(paths: frozenset[str], *, needs_key: bool) -> dict[str, Any]:
    """The same as an object."""
    spec = APISpec(
        title="openai_api",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[_Plugin()],
        info={"description": DESCRIPTION},
        servers=[{"url": "/"}],
        security=[{name: []} for name in KEYS] if needs_key else [],
        tags=[{"name": tag} for tag in dict.fromkeys(each.tag for each in OPERATIONS)],
    )
    for name, scheme in KEYS.items() if needs_key else ():
        spec.components.security_scheme(name, scheme)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for name, parameter in PARAMETERS.items():
        spec.components.parameter(name, "header", parameter)
    for name, schema in _answers().items():
        spec.components.schema(name, schema)
    for name, kind in BODIES.items():
        body = _body(spec, kind, needs_model=name not in NEEDS_NO_MODEL)
        spec.components.schema(name, _explained(name, body))
    for operation in OPERATIONS:
        if operation.path in paths:
            spec.path(
                operation.path, operations={operation.method: _operation(operation, needs_key)}
            )
    return spec.to_dict()


def _answers() -> dict[str, JsonSchema]:
    return {
        **answers.errors(),
        **generation_answers.chats(),
        **generation_answers.completions(),
        **translated_answers.responses(),
        **translated_answers.messages(),
        **answers.encoders(),
        **answers.tokens(),
        **answers.models(),
        **answers.server(),
        **conversations.components(),
        "Document": OBJECT,
        "Metrics": STRING,
    }


def _body(spec: APISpec, kind: type[RequestSchema], *, needs_model: bool) -> JsonSchema:
    """The schema's own fields in their order; `model` is looked at before the schema is."""
    plugin = next(each for each in spec.plugins if isinstance(each, _Plugin))
    assert plugin.converter is not None
    schema: JsonSchema = plugin.converter.schema2jsonschema(kind())  # type: ignore[no-untyped-call]  # apispec has no types here
    fields = schema["properties"]
    if not needs_model:
        fields = {**fields, "model": nullable(fields["model"])}
    ordered = [*(name for name in kind.order if name in fields), *fields]
    required = [*(["model"] if needs_model else []), *schema.get("required", [])]
    return {
        **schema,
        "properties": {name: fields[name] for name in dict.fromkeys(ordered)},
        **({"required": required} if required else {}),
    }


def _explained(name: str, body: JsonSchema) -> JsonSchema:
    """The body with what its fields mean."""
    meanings = {**MEANINGS, **OF_BODIES.get(name, {})}
    fields = {
        field: {"description": meanings[field], **schema} if meanings.get(field) else schema
        for field, schema in body["properties"].items()
    }
    return {**body, "properties": fields}


def _operation(operation: Operation, needs_key: bool) -> dict[str, Any]:
    kinds = (*operation.kinds, *OF_KEYS) if needs_key and not operation.is_open else operation.kinds
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _responses(operation, kinds),
    }
    if operation.bodies:
        described["parameters"] = list(PARAMETERS)
        described["requestBody"] = {"required": True, "content": {JSON: _taken(operation)}}
    elif operation.examples:
        (name, example), *_ = operation.examples.items()
        place = {"name": name, "in": "path", "required": True, "schema": STRING}
        described["parameters"] = [{**place, "example": example}]
    if needs_key and operation.is_open:
        described["security"] = []
    return described


def _taken(operation: Operation) -> dict[str, Any]:
    examples = {name: {"value": body} for name, body in operation.examples.items()}
    return {"schema": _any_of(operation.bodies), "examples": examples}


def _responses(operation: Operation, kinds: Kinds) -> dict[str, Any]:
    content = {operation.content_type: {"schema": _any_of(operation.answers)}}
    if operation.stream is not None:
        told = f"Events; the data of each is a {operation.stream}."
        content["text/event-stream"] = {"schema": {**STRING, "description": told}}
    found = {200: _response(200, "The answer.", content)}
    for status, (text, name) in operation.other.items():
        found[status] = _response(status, text, {JSON: {"schema": ref(name)}})
    failed = {JSON: {"schema": _any_of(operation.error_forms)}}
    for status in sorted({kind.status for kind in kinds} - found.keys()):
        told = _told(kind for kind in kinds if kind.status == status)
        found[status] = _response(status, told, failed)
    return {str(status): response for status, response in found.items()}


def _response(status: int, description: str, content: dict[str, Any]) -> dict[str, Any]:
    names = {"x-request-id": "RequestId"}
    if status in RETRY_STATUSES:
        names["Retry-After"] = "RetryAfter"
    headers = {name: {"$ref": f"#/components/headers/{place}"} for name, place in names.items()}
    return {"description": description, "headers": headers, "content": content}


def _told(kinds: Iterable[type[ApiError]]) -> str:
    said = (f"{kind.__doc__ or ''} {f'(`{kind.code}`)' if kind.code else ''}" for kind in kinds)
    return " ".join(" ".join(said).split())


def _any_of(names: tuple[str, ...]) -> JsonSchema:
    schemas = [ref(name) for name in names]
    return schemas[0] if len(schemas) == 1 else union(*schemas)
