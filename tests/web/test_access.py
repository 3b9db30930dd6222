"""Nobody without a key gets past the open rules."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.access import OPEN_RULES
from tests.applications import build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton
from tests.web.keys import KEY, OTHER, PROMPT, bearer, check_refusal, send

pytestmark = pytest.mark.case("D7", "Every route with wrong keys, and tricks with hosts and paths")

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")

# What is sent instead of a key, as headers and query.
WRONG: dict[str, tuple[dict[str, str], str]] = {
    "none": ({}, ""),
    "empty": ({"Authorization": ""}, ""),
    "no key": ({"Authorization": "Bearer "}, ""),
    "wrong": ({"Authorization": "Bearer sk-wrong-0123456789"}, ""),
    "beginning": ({"Authorization": f"Bearer {KEY[:-1]}"}, ""),
    "more behind": ({"Authorization": f"Bearer {KEY}x"}, ""),
    "more before": ({"Authorization": f"Bearer x{KEY}"}, ""),
    "other case": ({"Authorization": f"Bearer {KEY.upper()}"}, ""),
    "not ASCII": ({"Authorization": "Bearer sk-\xe4\xff"}, ""),
    "8 KiB": ({"Authorization": "Bearer " + "k" * 8192}, ""),
    "two headers": ({"Authorization": f"Bearer {KEY},Bearer {KEY}"}, ""),
    "two keys": ({"Authorization": f"Bearer {KEY} {OTHER}"}, ""),
    "no scheme": ({"Authorization": KEY}, ""),
    "another scheme": ({"Authorization": f"Basic {KEY}"}, ""),
    "tab": ({"Authorization": f"Bearer\t{KEY}"}, ""),
    "NUL": ({"Authorization": f"Bearer {KEY}\0"}, ""),
    "lower case": ({"Authorization": "bearer sk-wrong-0123456789"}, ""),
    "two x-api-keys": ({"X-Api-Key": f"{KEY},{KEY}"}, ""),
    "wrong beside right": ({"Authorization": "Bearer x", "X-Api-Key": KEY}, ""),
    "another header": ({"Api-Key": KEY, "Proxy-Authorization": f"Bearer {KEY}"}, ""),
    "cookie": ({"Cookie": f"Authorization=Bearer {KEY}"}, ""),
    "query": ({}, f"api_key={KEY}&key={KEY}&access_token={KEY}&Authorization=Bearer%20{KEY}"),
}


def closed_paths(app: Flask) -> list[str]:
    rules = [rule.rule for rule in app.url_map.iter_rules() if rule.rule not in OPEN_RULES]
    return [re.sub(r"<[^>]*>", "a/b", rule) for rule in rules]


def test_the_walk_sees_the_routes(keyed: Flask) -> None:
    paths = closed_paths(keyed)
    assert {"/v1/models", "/v1/models/a/b", "/v1/chat/completions", "/tokenize"} <= set(paths)
    assert len(paths) >= 16


@pytest.mark.parametrize("wrong", WRONG)
def test_every_closed_route_needs_a_key(keyed: Flask, wrong: str) -> None:
    """Also with each verb that it does not take, and where there is no route."""
    headers, query = WRONG[wrong]
    for path in (*closed_paths(keyed), "/metrics", "/nothing", "/v1", "/favicon.ico"):
        for verb in VERBS:
            response = send(keyed, verb, path, headers, QUERY_STRING=query)
            check_refusal(response, is_head=verb == "HEAD")


# A file of each rule that has many.
FILES = {"/docs/<path:name>": "/docs/start.js", "/playground/<path:name>": "/playground/app.js"}


@pytest.mark.parametrize("rule", sorted(OPEN_RULES))
def test_open_routes_need_none(keyed: Flask, rule: str) -> None:
    """Where they exist; what does not exist is closed, and so is each other verb."""
    path = FILES.get(rule, rule)
    known = {each.rule for each in keyed.url_map.iter_rules()}
    for headers in ({}, bearer("sk-wrong")):
        status = send(keyed, "GET", path, headers).status_code
        assert status not in (401, 404) if rule in known else status == 401
        assert send(keyed, "POST", path, headers).status_code == 401
        assert send(keyed, "OPTIONS", path, headers).status_code == 401


def test_what_is_open_is_what_the_page_says() -> None:
    """A rule that is added here opens it for everyone."""
    assert sorted(OPEN_RULES) == [
        "/",
        "/docs",
        "/docs/<path:name>",
        "/health",
        "/livez",
        "/openapi.json",
        "/playground/<path:name>",
        "/readyz",
        "/version",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        bearer(KEY),
        bearer(OTHER),
        {"Authorization": f"bearer {KEY}"},
        {"Authorization": f"BEARER   {KEY} "},
        {"X-Api-Key": KEY},
    ],
    ids=str,
)
def test_each_key_is_let_in(keyed: Flask, headers: dict[str, str]) -> None:
    client = keyed.test_client()
    assert client.get("/v1/models", headers=headers).status_code == 200
    assert client.get("/nothing", headers=headers).status_code == 404
    assert client.put("/v1/models", headers=headers).status_code == 405
    response = client.post("/v1/completions", json=PROMPT, headers=headers)
    assert response.status_code == 200
    assert not [name for name, _ in response.headers if name.startswith("x-ratelimit")]


def test_without_keys_the_server_is_open(shared_client: FlaskClient) -> None:
    assert shared_client.get("/v1/models").status_code == 200
    assert shared_client.get("/v1/models", headers=bearer("anything")).status_code == 200


def test_anthropics_path_has_anthropics_errors(keyed: Flask) -> None:
    client = keyed.test_client()
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        response = client.post(path, json={}, headers={"X-Api-Key": "sk-wrong"})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.json["type"] == "error"
        assert response.json["error"]["type"] == "authentication_error"


class Unreadable(io.RawIOBase):
    """A body that must not be read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


def test_the_key_is_looked_at_before_the_body(keyed: Flask) -> None:
    environ = {
        "wsgi.input": Unreadable(),
        "CONTENT_LENGTH": str(10 * 2**30),
        "CONTENT_TYPE": "application/json",
    }
    check_refusal(send(keyed, "POST", "/v1/completions", **environ))


def test_the_log_has_a_keys_name_and_never_a_key(
    keyed: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = keyed.test_client()
    for headers in (bearer(), bearer("sk-wrong-0123"), {"X-Api-Key": KEY}):
        client.post("/v1/completions", json=PROMPT, headers=headers).close()
    lines = [record.getMessage() for record in caplog.records if "POST" in record.getMessage()]
    assert [re.sub(".* in [0-9]+ ms", "", line) for line in lines] == [
        " for API_KEYS-1",
        "",
        " for API_KEYS-1",
    ]
    assert "sk-" not in caplog.text


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("API_KEYS", "", "in place 1: a key must have"),
        ("API_KEYS", "sk-a,,sk-b", "in place 2: a key must have"),
        ("API_KEYS", "sha256:12", "a hashed key must be"),
        ("RATE_LIMIT_STORAGE", "postgres://sk-password@host", "memory://"),
    ],
)
def test_a_wrong_setting_is_told_without_its_value(variable: str, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({variable: text})
    assert told in str(caught.value)
    assert "sk-" not in str(caught.value)


def test_a_wrong_address_of_redis_is_told(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    settings = {"API_KEYS": KEY, "RATE_LIMIT_STORAGE": "redis://:sk-password@host:port/0"}
    with pytest.raises(ConfigurationError) as caught:
        build_application(tmp_path, configuration, **settings)
    assert "RATE_LIMIT_STORAGE: must be like redis://HOST:PORT/0" in str(caught.value)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/health", "/nothing"])
def test_no_page_of_another_site_is_let_in(
    keyed: Flask, shared_client: FlaskClient, path: str
) -> None:
    """A browser's preflight finds no permission, with keys and without."""
    headers = {
        "Origin": "https://elsewhere.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    for client in (keyed.test_client(), shared_client):
        for verb in ("OPTIONS", "GET", "POST"):
            response = client.open(path, method=verb, headers=headers)
            assert not [name for name, _ in response.headers if "access-control" in name.lower()]
