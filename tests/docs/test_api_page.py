"""docs/api.md against the schemas, the routes and the errors, both ways."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema

from app import errors
from app.schemas.anthropic_messages import AnthropicMessagesSchema, CountTokensSchema
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionSchema
from app.schemas.embed_v2 import EmbedV2Schema
from app.schemas.embeddings import EmbeddingSchema
from app.schemas.generation import GenerationSchema
from app.schemas.rerank import RerankSchema, TextsRerankSchema
from app.schemas.responses import ResponsesSchema
from app.schemas.score import ScoreSchema
from app.schemas.tokenization import DetokenizeSchema, TokenizeSchema
from app.schemas.unsupported import Neutral
from tests.docs import support
from tests.docs.pages import PROJECT, code_spans, rows

PAGE = PROJECT / "docs" / "api.md"
SCHEMAS = {
    "`POST /v1/chat/completions`": ChatSchema(),
    "`POST /v1/completions`": CompletionSchema(),
    "`POST /v1/responses`": ResponsesSchema(),
    "`POST /v1/messages`": AnthropicMessagesSchema(),
    "`POST /v1/messages/count_tokens`": CountTokensSchema(),
    "`POST /v1/embeddings`": EmbeddingSchema(),
    "`POST /v2/embed`": EmbedV2Schema(),
    "`POST /v1/rerank`": RerankSchema(),
    "`POST /rerank` with `texts`": TextsRerankSchema(),
    "`POST /v1/score`": ScoreSchema(),
    "`POST /tokenize`": TokenizeSchema(),
    "`POST /detokenize`": DetokenizeSchema(),
}
# Where the fields are that chat and completions have in common.
SHARED = "Fields of chat and completions"
NEEDS_NO_MODEL = TextsRerankSchema
# What the two pages for browsers load.
FILES_OF_PAGES = ("docs.get_file", "playground.get_file")


def is_required(schema: Schema, name: str) -> bool:
    if name == "model":
        return not isinstance(schema, NEEDS_NO_MODEL)
    return bool(schema.fields[name].required)


def is_refused(field: Any) -> bool:
    return isinstance(field, Neutral)


def field_rows(heading: str, schema: Schema) -> list[dict[str, str]]:
    shared = rows(PAGE, SHARED, "field") if isinstance(schema, GenerationSchema) else []
    return [*shared, *rows(PAGE, heading, "field")]


@pytest.mark.parametrize(("heading", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_every_field_is_on_the_page(heading: str, schema: Schema) -> None:
    taken = {name for name, field in schema.fields.items() if not is_refused(field)}
    assert {row["field"] for row in field_rows(heading, schema)} == {f"`{name}`" for name in taken}


@pytest.mark.parametrize(("heading", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_required_and_default(heading: str, schema: Schema) -> None:
    for row in field_rows(heading, schema):
        (name,) = code_spans(row["field"])
        field = schema.fields[name]
        assert (row["default"] == "required") == is_required(schema, name), name
        default = field.load_default
        if isinstance(default, (bool, str)):
            assert row["default"].strip("`") == json.dumps(default), name


@pytest.mark.parametrize(("heading", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_every_refused_field_is_on_the_page(heading: str, schema: Schema) -> None:
    shown = {
        row["refused"].strip("`"): list(map(json.loads, code_spans(row["allowed values"])))
        for row in rows(PAGE, heading, "refused")
    }
    assert shown == {
        name: list(field.neutral) for name, field in schema.fields.items() if is_refused(field)
    }


def test_every_route_is_on_the_page(app: Flask) -> None:
    pairs = {
        tuple(span.split(" ", 1))
        for row in rows(PAGE, "The HTTP API", "method and path")
        for span in code_spans(row["method and path"])
    }
    routes = {
        (method, re.sub(r"<[^>]*>", "{id}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in FILES_OF_PAGES
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert pairs == routes


def test_every_error_is_on_the_page() -> None:
    shown = {
        (int(row["status"]), *code_spans(row["type"]), *(code_spans(row["code"]) or [None]))
        for row in rows(PAGE, "Errors", "status")
    }
    kinds = [kind("") for kind in descendants(errors.ApiError) if kind.__module__[:4] == "app."]
    assert shown == {(error.status, error.type, error.code) for error in kinds}


def descendants(kind: type) -> list[type]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def test_limits_are_the_schemas() -> None:
    from app.schemas import chat, completions, embeddings, generation, rerank, score
    from app.services.input_checks import MAX_CHARACTERS_ON_LOOP
    from app.web import json_body

    page = PAGE.read_text()
    for text in (
        f"1 to {chat.MAX_MESSAGES:,} messages",
        f"up to {chat.MAX_PARTS} parts",
        f"up to {completions.MAX_PROMPTS} of either",
        f"up to {embeddings.MAX_INPUTS:,} of either",
        f"1 to {embeddings.MAX_INPUTS:,} strings, none empty",
        f"1 to {rerank.MAX_DOCUMENTS:,} strings",
        f"string, or up to {score.MAX_TEXTS:,}",
        f"up to {generation.MAX_STOP_STRINGS}",
        f"1 to {generation.MAX_STOP_LENGTH} characters",
        f"{json_body.MAX_DEPTH} levels",
    ):
        assert text in page
    architecture = Path(PROJECT / "docs" / "architecture.md").read_text()
    assert f"{MAX_CHARACTERS_ON_LOOP:,} characters" in architecture


def test_the_support_table_is_what_the_backends_say() -> None:
    """Renew it with `python -m tests.docs.support`."""
    assert support.table() in PAGE.read_text()
