"""`GET /openapi.json`: valid, complete, and true: its examples are sent, and answers held to it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from app import errors
from app.schemas.openapi.document import as_dict
from app.schemas.openapi.operation import BODIES
from app.schemas.openapi.operations import OPERATIONS
from app.schemas.request import RequestSchema
from app.web.access import OPEN_RULES
from tests.applications import build_application
from tests.live.http import Server

PATHS = frozenset(operation.path for operation in OPERATIONS)
# Not for programs: what a browser shows.
PAGES = ("docs", "playground")
# These are told of what is no operation: an unknown path or verb, or what is no HTTP for us.
OF_NO_OPERATION = {405, 414, 417, 431, 499, 501}


@pytest.fixture
def document(shared_client: FlaskClient) -> dict[str, Any]:
    response = shared_client.get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    found: dict[str, Any] = response.json
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield verb, path, operation


@pytest.mark.parametrize("needs_key", [True, False])
def test_it_is_valid(needs_key: bool) -> None:
    validate(as_dict(PATHS, needs_key=needs_key))


def test_the_routes_are_the_documents(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (verb.lower(), re.sub(r"<[^>]*>", "{id}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] not in PAGES
        for verb in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(verb, path) for verb, path, _ in operations(document)} == routes


def test_a_path_that_is_not_served_is_not_in_it() -> None:
    assert as_dict(PATHS - {"/metrics"}, needs_key=False)["paths"].keys() == PATHS - {"/metrics"}


def test_a_body_is_what_its_view_parses(app: Flask, document: dict[str, Any]) -> None:
    for rule in app.url_map.iter_rules():
        view = inspect.getclosurevars(app.view_functions[rule.endpoint]).nonlocals
        if "answered" in view:
            view = inspect.getclosurevars(view["answered"]).nonlocals
        if not isinstance(view.get("schema"), RequestSchema):
            assert rule.methods is not None
            assert "POST" not in rule.methods
            continue
        kinds = [type(view["schema"])]
        if view["other"] is not None:
            kinds.append(type(view["other"].schema))
        body = document["paths"][rule.rule]["post"]["requestBody"]["content"]["application/json"]
        refs = body["schema"].get("anyOf", [body["schema"]])
        assert [BODIES[ref["$ref"].rpartition("/")[2]] for ref in refs] == kinds


def test_every_error_is_told_of_some_operation() -> None:
    told = {
        status
        for *_, each in operations(as_dict(PATHS, needs_key=True))
        for status in each["responses"]
    }
    kinds = [kind for kind in descendants(errors.ApiError) if kind.__module__ == "app.errors"]
    assert {kind.status for kind in kinds} - OF_NO_OPERATION <= set(map(int, told))


def descendants(kind: type) -> list[Any]:
    return [each for child in kind.__subclasses__() for each in (child, *descendants(child))]


def test_what_is_open_is_what_needs_no_key() -> None:
    document = as_dict(PATHS, needs_key=True)
    assert document["security"] == [{"bearer": []}, {"apiKey": []}]
    open_paths = {path for _, path, each in operations(document) if each.get("security") == []}
    assert open_paths == OPEN_RULES & PATHS
    for _, path, operation in operations(document):
        assert ("401" in operation["responses"]) == (path not in open_paths)


def test_only_a_server_with_keys_says_that_it_needs_one(tmp_path: Path) -> None:
    for keys, expected in (({}, False), ({"API_KEYS": "sk-0123456789abcdef"}, True)):
        client = build_application(tmp_path, {}, **keys).test_client()
        found = client.get("/openapi.json").json
        assert ("securitySchemes" in found["components"]) is expected


# ---- examples and answers, on real models


def closed(schema: Any) -> Any:
    """The schema with nothing beside what it names, to see what it forgot."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(item) for name, item in schema.items()}
    if "properties" in found and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


COMPONENTS = closed(as_dict(PATHS, needs_key=False)["components"])
EXAMPLES = [
    (operation, name) for operation in OPERATIONS for name in operation.examples if operation.bodies
]


def check(name: str, answer: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": COMPONENTS}
    jsonschema.Draft202012Validator(schema).validate(answer)


def test_every_operation_that_takes_something_has_examples(document: dict[str, Any]) -> None:
    for verb, path, operation in operations(document):
        if verb == "post":
            assert operation["requestBody"]["content"]["application/json"]["examples"], path
        for parameter in operation.get("parameters", []):
            found = document["components"]["parameters"].get(
                parameter.get("$ref", "").rpartition("/")[2], parameter
            )
            assert "example" in found, path


@pytest.mark.parametrize(
    ("operation", "name"), EXAMPLES, ids=[f"{each.path}-{name}" for each, name in EXAMPLES]
)
def test_an_example_is_a_body_of_the_document(
    document: dict[str, Any], operation: Any, name: str
) -> None:
    content = document["paths"][operation.path]["post"]["requestBody"]["content"]
    body = content["application/json"]
    schema = {**body["schema"], "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(body["examples"][name]["value"])


@pytest.mark.parametrize(
    ("operation", "name"), EXAMPLES, ids=[f"{each.path}-{name}" for each, name in EXAMPLES]
)
def test_an_example_is_answered_as_the_document_says(
    gateway: Server, operation: Any, name: str
) -> None:
    body = operation.examples[name]
    if body.get("stream"):
        with gateway.stream(operation.path, body) as stream:
            assert stream.response.status == 200
            lines = [line for line in stream.lines() if line.startswith("data: {")]
        assert len(lines) >= 2
        for line in lines:
            check(operation.stream, json.loads(line.removeprefix("data: ")))
        return
    response = gateway.post(operation.path, body)
    assert response.status == 200, response.body
    index = (
        operation.bodies.index("TextsRerankRequest")
        if "texts" in body and len(operation.bodies) > 1
        else 0
    )
    check(operation.answers[index], response.json())


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if not each.bodies], ids=lambda each: each.path
)
def test_what_is_read_is_answered_as_the_document_says(gateway: Server, operation: Any) -> None:
    models = [model["id"] for model in gateway.get("/v1/models").json()["data"]]
    for model in models if "{id}" in operation.path else [""]:
        response = gateway.get(operation.path.format(id=model))
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(operation.content_type)
        if operation.content_type == "application/json":
            check(operation.answers[0], response.json())


def test_an_error_is_as_the_document_says(gateway: Server) -> None:
    forms = {"Error": "/v1/chat/completions", "AnthropicError": "/v1/messages"}
    for form, path in forms.items():
        check(form, gateway.post(path, {}).json())
    check("TextsError", gateway.post("/rerank", {"texts": []}).json())


# What the examples do not show: every sort of answer that has parts of its own.
SENT: list[tuple[str, str, dict[str, Any]]] = [
    (
        "/v1/completions",
        "Completion",
        {"model": "demo-chat", "prompt": "One", "echo": True, "logprobs": 0, "stop": ["a"]},
    ),
    (
        "/v1/chat/completions",
        "ChatCompletion",
        {
            "model": "demo-chat",
            "messages": [{"role": "user", "content": "Hello"}],
            "n": 2,
            "logprobs": True,
        },
    ),
    (
        "/v1/responses",
        "Response",
        {
            "model": "demo-chat",
            "input": "Hello",
            "max_output_tokens": 2,
            "include": ["message.output_text.logprobs"],
            "metadata": {"a": "b"},
        },
    ),
    (
        "/v2/embed",
        "EmbeddingsByType",
        {
            "model": "all-minilm-l6-v2",
            "texts": ["a"],
            "embedding_types": ["float", "base64", "binary", "ubinary"],
            "input_type": "search_query",
        },
    ),
    ("/v1/rerank", "Ranking", {"model": "minilm-reranker", "query": "a", "documents": ["b"]}),
    (
        "/rerank",
        "TextsRanking",
        {"query": "a", "texts": ["b"], "return_text": True, "model": "minilm-reranker"},
    ),
]


@pytest.mark.parametrize(("path", "name", "body"), SENT, ids=[name for _, name, _ in SENT])
def test_an_answer_is_as_the_document_says(
    gateway: Server, path: str, name: str, body: dict[str, Any]
) -> None:
    response = gateway.post(path, body)
    assert response.status == 200, response.body
    check(name, response.json())
