"""https://docs.cohere.com/reference/embed"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas.embeddings import MAX_INPUTS
from app.schemas.fields import (
    Choice,
    Integer,
    Items,
    StrictField,
    Text,
    UnsupportedMessage,
    each,
    mismatch,
    nested,
    optional,
    unsupported,
    within,
)
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.truncation import CaselessChoice
from app.schemas.unsupported import Neutral
from app.types import EmbedV2Request, Truncation

TYPES = ("float", "base64", "binary", "ubinary")
# Cohere does not say how it makes 8-bit integers of floats, and others would not fit them.
REFUSED_TYPES = ("int8", "uint8")
INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")


class SupportedChoice(Choice):
    """A Choice among the values that the API defines; `refused` are those not served here."""

    def __init__(self, *choices: str, refused: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*choices, **kwargs)
        self.refused = refused

    def parse(self, value: Any) -> str:
        if isinstance(value, str) and value in self.refused:
            raise unsupported(self.choices, value)
        return super().parse(value)


class TextInput(StrictField):
    """An object whose `content` is one part of the type text; gives the text."""

    text = Text(shortest=1)

    def parse(self, value: Any) -> str:
        content = value.get("content") if isinstance(value, dict) else None
        if not isinstance(content, list) or not content:
            raise mismatch('an object with a list "content"', value)
        with within("content"):
            return self._text(content)

    def _text(self, content: list[Any]) -> str:
        if len(content) > 1:
            text = f"is not supported here: use one part; it has {len(content)}"
            raise ValidationError([UnsupportedMessage(text)])
        return str(each(content, self._part)[0])

    def _part(self, part: Any) -> str:
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise mismatch('an object with a "type"', part)
        if part["type"] != "text":
            raise nested("type", unsupported(("text",), part["type"]))
        with within("text"):
            return self.text.parse(part.get("text"))


class EmbedV2Schema(RequestSchema):
    """Gives an `EmbedV2Request`."""

    order = ("model", "texts", "inputs", "images", "input_type")

    model = MODEL_NAME
    texts = optional(Items, Text(shortest=1), most=MAX_INPUTS)
    inputs = optional(Items, TextInput(), most=MAX_INPUTS)
    input_type = optional(SupportedChoice, *INPUT_TYPES, refused=("image",))
    embedding_types = optional(
        Items,
        SupportedChoice(*TYPES, refused=REFUSED_TYPES),
        most=len(TYPES + REFUSED_TYPES),
    )
    output_dimension = optional(Integer, minimum=1, maximum=2**31 - 1)
    max_tokens = optional(Integer, minimum=1, maximum=2**31 - 1)
    truncate = optional(CaselessChoice, "END", "START", "NONE", default="END")
    images = Neutral([])
    priority = Neutral(0)

    @validates_schema(skip_on_field_errors=True)
    def check_texts(self, data: Mapping[str, Any], **_: Any) -> None:
        """What is embedded comes in one of two fields."""
        if data["texts"] is None and data["inputs"] is None:
            raise ValidationError("is required where there are no inputs", "texts")
        if data["texts"] is not None and data["inputs"] is not None:
            raise ValidationError("must be left out where there are texts", "inputs")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> EmbedV2Request:
        """The frozen request."""
        truncate = data["truncate"]
        return EmbedV2Request(
            model=data["model"],
            inputs=data["inputs"] if data["texts"] is None else data["texts"],
            inputs_param="inputs" if data["texts"] is None else "texts",
            types=tuple(dict.fromkeys(data["embedding_types"] or ("float",))),
            input_type=data["input_type"],
            dimensions=data["output_dimension"],
            truncation=Truncation(
                is_allowed=truncate != "NONE",
                max_tokens=data["max_tokens"],
                is_left={"START": True, "END": False}.get(truncate),
            ),
        )
