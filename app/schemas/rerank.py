"""https://api.jina.ai/redoc#tag/rerank, whose form Dify, LangChain and LiteLLM send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import post_load

from app.schemas.fields import Anything, Flag, Integer, Items, StrictField, Text, mismatch, optional
from app.schemas.request import MODEL_NAME, RequestSchema
from app.schemas.unsupported import Neutral
from app.types import RerankRequest

MAX_DOCUMENTS = 1024


class Document(StrictField):
    """A string, or an object whose `text` is one; gives the string."""

    def parse(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, dict) and isinstance(value.get("text"), str):
            return str(value["text"])
        raise mismatch('a string or an object with a "text" string', value)


class RerankSchema(RequestSchema):
    """Gives a `RerankRequest`."""

    order = ("model", "query", "documents", "top_n", "return_documents")

    model = MODEL_NAME
    query = Text(shortest=1, required=True)
    documents = Items(Document(), most=MAX_DOCUMENTS, required=True)
    top_n = optional(Integer, minimum=1, maximum=2**31 - 1, may_be_string=True)
    return_documents = optional(Flag, default=False)
    max_tokens_per_doc = Neutral()
    encoding_format = optional(Anything)

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> RerankRequest:
        """The frozen request."""
        return RerankRequest(
            model=data["model"],
            query=data["query"],
            documents=data["documents"],
            top_n=data["top_n"],
            return_documents=data["return_documents"],
        )
