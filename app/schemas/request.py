"""From a JSON object to a frozen request, or to the first problem in the order of the schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, missing

from app.errors import InvalidRequest, UnsupportedParameter
from app.schemas.fields import Text, UnsupportedMessage

MODEL_NAME = Text(shortest=1, longest=256)

# The longest key of a client's own object that an error message repeats.
MAX_KEY = 64


class RequestSchema(Schema):
    """A schema that ignores fields nobody defines, as every server of this API does.

    `order` is that of OpenAI's document, with `model` and what the request is about in front.
    Where a request has several problems, the first in this order is told.
    """

    order: ClassVar[Sequence[str]] = ()

    class Meta:
        unknown = EXCLUDE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        fields = self.load_fields.items()
        self.required_names = [name for name, field in fields if field.required]
        defaults = {
            name: field.load_default for name, field in fields if field.load_default is not missing
        }

        class Loaded(dict[str, Any]):
            """What a loaded request begins with: the defaults of all fields."""

            def __init__(self) -> None:
                super().__init__(defaults)

        self.dict_class = Loaded

    def load_present(self, body: Mapping[str, Any]) -> Any:
        """What `load` gives, without looking at the fields that `body` leaves out.

        A request has a few of some sixty fields, and asking each absent one for its default took a
        twelfth of a short chat's time. Raises ValidationError.
        """
        is_complete = all(name in body for name in self.required_names)
        return self.load(body, partial=True if is_complete else None)


def model_name(body: Mapping[str, Any]) -> str:
    """The request's `model`, which is looked at before everything else."""
    if body.get("model") is None:
        raise InvalidRequest(
            "model is required: name one of the models that GET /v1/models lists", param="model"
        )
    try:
        return str(MODEL_NAME.parse(body["model"]))
    except ValidationError as error:
        raise _refusal("model", error.messages) from None


def parse(schema: RequestSchema, body: Mapping[str, Any]) -> Any:
    """The schema's frozen request.

    Raises:
        InvalidRequest: the first problem, with the path of the field as `param`.
    """
    try:
        return schema.load_present(body)
    except ValidationError as error:
        name = min(error.messages_dict, key=lambda name: _rank(schema, name))
        path = "" if name == "_schema" else name
        raise _refusal(path, error.messages_dict[name]) from None


def _refusal(path: str, problem: Any) -> InvalidRequest:
    path, message = _first(path, problem)
    kind = UnsupportedParameter if isinstance(message, UnsupportedMessage) else InvalidRequest
    return kind(f"{path}: {message}" if path else message, param=path or None)


def _rank(schema: RequestSchema, name: str) -> int:
    order = schema.order
    return order.index(name) if name in order else len(order)


def _first(path: str, problem: Any) -> tuple[str, str]:
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
    return f"{path}.{key}"[: len(path) + MAX_KEY] if path else str(key)
