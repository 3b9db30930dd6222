"""From a JSON object to a frozen request, or to the first problem in the order of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError

from app.errors import InvalidRequest, UnsupportedParameter
from app.schemas.fields import Text, UnsupportedMessage

MODEL_NAME = Text(shortest=1, longest=256)

# Where a request has several problems, those of what it is about are told first.
SUBJECTS = ("model", "prompt", "messages", "input", "query", "documents")


class RequestSchema(Schema):
    """A schema that ignores fields nobody defines, as every server of this API does."""

    class Meta:
        unknown = EXCLUDE


def model_name(body: Mapping[str, Any]) -> str:
    """The request's `model`, which is looked at before everything else."""
    if body.get("model") is None:
        raise InvalidRequest(
            "model is required: name one of the models that GET /v1/models lists", param="model"
        )
    try:
        return str(MODEL_NAME.parse(body["model"]))
    except ValidationError as error:
        raise _refusal({"model": error.messages}) from None


def parse(schema: Schema, body: Mapping[str, Any]) -> Any:
    """The schema's frozen request.

    Raises:
        InvalidRequest: the first problem, with the path of the field as `param`.
    """
    try:
        return schema.load(body)
    except ValidationError as error:
        raise _refusal(error.messages_dict) from None


def _refusal(problems: Mapping[Any, Any]) -> InvalidRequest:
    path, message = _first(problems)
    kind = UnsupportedParameter if isinstance(message, UnsupportedMessage) else InvalidRequest
    return kind(f"{path}: {message}" if path else message, param=path or None)


def _rank(name: str) -> int:
    return SUBJECTS.index(name) if name in SUBJECTS else len(SUBJECTS)


def _first(problems: Mapping[Any, Any]) -> tuple[str, str]:
    path = min(problems, key=_rank)
    problem, path = problems[path], "" if path == "_schema" else path
    while not isinstance(problem, str):
        if isinstance(problem, list):
            problem = problem[0]
            continue
        key, problem = next(iter(problem.items()))
        if key != "_schema":
            path = _joined(path, key)
    return path, problem


def _joined(path: str, key: Any) -> str:
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)
