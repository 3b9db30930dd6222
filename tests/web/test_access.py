"""Nobody without a key gets past the open rules: reliability 2.5 and D7."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.access import OPEN_RULES
from tests.applications import LLM, build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

pytestmark = pytest.mark.case("D7", "Every route with wrong keys, and tricks with hosts and paths")

KEY = "sk-right-0123456789"
OTHER = "sk-other-0123456789"
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
PROMPT = {"model": LLM, "prompt": "a"}

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


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Flask:
    """The application with two keys."""
    configuration = standard_configuration(_triton.address, _http_triton.address)
    base = tmp_path_factory.mktemp("keyed")
    return build_application(base, configuration, API_KEYS=f"{KEY}, {OTHER}")


@pytest.fixture
def limited(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Limited:
    return Limited(tmp_path, standard_configuration(triton.address, http_triton.address))


class Limited:
    """Makes applications whose one key has limits."""

    def __init__(self, base: Path, configuration: Any) -> None:
        self._base = base
        self._configuration = configuration

    def __call__(self, limits: str) -> Flask:
        file = self._base / "keys.txt"
        file.write_text(f"{KEY} name=team {limits}\n")
        return build_application(self._base, self._configuration, API_KEYS_FILE=str(file))


def bearer(key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def send(app: Flask, method: str, path: str, headers: Any = None, **environ: Any) -> TestResponse:
    """A request whose environment has what no client library would send."""
    builder = EnvironBuilder(method=method, path="/")
    made = {**builder.get_environ(), "PATH_INFO": path}
    made |= {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()
    }
    made |= environ
    body, status, answered = run_wsgi_app(app, made, buffered=True)
    return TestResponse(body, status, answered, builder.get_request())


def check_refusal(response: TestResponse, *, is_head: bool = False) -> None:
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate") == ["Bearer"]
    assert response.headers["x-request-id"]
    assert KEY not in str(response.headers)
    if is_head:
        assert response.data == b""
        return
    assert response.content_type == "application/json"
    error = response.get_json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert error["param"] is None
    assert "sk-" not in response.text
    assert "kkk" not in response.text


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


@pytest.mark.parametrize("path", sorted(OPEN_RULES))
def test_open_routes_need_none(keyed: Flask, path: str) -> None:
    """Where they exist; what does not exist is closed, and so is each other verb."""
    known = {rule.rule for rule in keyed.url_map.iter_rules()}
    for headers in ({}, bearer("sk-wrong")):
        status = send(keyed, "GET", path, headers).status_code
        assert status not in (401, 404) if path in known else status == 401
        assert send(keyed, "POST", path, headers).status_code == 401
        assert send(keyed, "OPTIONS", path, headers).status_code == 401


def test_what_is_open_is_what_the_page_says() -> None:
    """A rule that is added here opens it for everyone."""
    assert sorted(OPEN_RULES) == [
        "/",
        "/docs",
        "/health",
        "/livez",
        "/openapi.json",
        "/readyz",
        "/version",
    ]


@pytest.mark.parametrize(
    "path",
    [
        "/health/../v1/models",
        "/v1/models/../../health",
        "/./v1/models",
        "//v1/models",
        "/v1//models",
        "/health/",
        "/health//",
        "/v1/models/",
        "/V1/models",
        "/HEALTH",
        "/health;/v1/models",
        "/v1/models;/health",
        "/v1/models;.json",
        "/health?/v1/models",
        "/v1/models?/health",
        "/v1/models#/health",
        "/health%2f..%2fv1/models",
        "/health\0",
        "/health ",
        " /health",
        "/v1\\models",
        "/health\\..\\v1/models",
        "http://a/health",
        "http://a/v1/models",
        "v1/models",
        "",
        "*",
        "/\xe4",
        "/healthx",
        "/version/../v1/models",
    ],
)
def test_no_form_of_a_path_gets_past(keyed: Flask, path: str) -> None:
    check_refusal(send(keyed, "GET", path))


@pytest.mark.parametrize("path", ["//health", "health"])
def test_what_reaches_an_open_route_reaches_nothing_else(keyed: Flask, path: str) -> None:
    assert send(keyed, "GET", path).get_json() == {"status": "ok"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "a/?x"},
        {"Host": "a/health?"},
        {"Host": "localhost/health#"},
        {"Host": "a/../health"},
        {"Host": "localhost:5100/health"},
        {"Host": ""},
        {"Host": "a b"},
        {"Host": "a@health"},
        {"Host": "\xff"},
        {"X-Original-URL": "/health"},
        {"X-Rewrite-URL": "/health"},
        {"X-Forwarded-Host": "a/?x", "X-Forwarded-Prefix": "/health"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
        {"Referer": "http://localhost/health", "Origin": "http://localhost"},
        {"Script-Name": "/health", "Path-Info": "/health"},
    ],
    ids=str,
)
def test_no_header_gets_past(keyed: Flask, headers: dict[str, str]) -> None:
    for verb in ("GET", "POST", "OPTIONS"):
        check_refusal(send(keyed, verb, "/v1/models", headers))
        check_refusal(send(keyed, verb, "/v1/completions", headers))


@pytest.mark.parametrize(
    "environ",
    [
        {"SCRIPT_NAME": "/health"},
        {"SCRIPT_NAME": "/version", "RAW_URI": "/health", "REQUEST_URI": "/health"},
        {"SERVER_NAME": "a/?x", "SERVER_PORT": "80/health"},
        {"QUERY_STRING": "/health", "REMOTE_ADDR": "127.0.0.1", "REMOTE_USER": "admin"},
    ],
    ids=str,
)
def test_no_other_variable_gets_past(keyed: Flask, environ: dict[str, str]) -> None:
    check_refusal(send(keyed, "GET", "/v1/models", **environ))


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
        client.post("/v1/completions", json=PROMPT, headers=headers)
    lines = [record.getMessage() for record in caplog.records if "POST" in record.getMessage()]
    assert [re.sub(".* in [0-9]+ ms", "", line) for line in lines] == [
        " for API_KEYS-1",
        "",
        " for API_KEYS-1",
    ]
    assert "sk-" not in caplog.text


def headers_of(response: TestResponse) -> dict[str, str]:
    """The headers of limits, without their beginning."""
    start = "x-ratelimit-"
    return {
        name.removeprefix(start): value
        for name, value in response.headers
        if name.startswith(start)
    }


def check_limit(response: TestResponse, words: str) -> None:
    assert response.status_code == 429
    error = response.get_json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert words in error["message"]
    assert 1 <= int(response.headers["Retry-After"]) <= 120
    assert int(response.headers["retry-after-ms"]) >= 1000
    assert headers_of(response)


def test_requests_per_minute(limited: Limited) -> None:
    client = limited("requests_per_minute=3").test_client()
    statuses = [
        client.get(path, headers=bearer()) for path in ("/v1/models", "/nothing", "/v1/models")
    ]
    assert [response.status_code for response in statuses] == [200, 404, 200]
    assert [headers_of(response)["remaining-requests"] for response in statuses] == ["2", "1", "0"]
    refused = client.get("/v1/models", headers=bearer())
    check_limit(refused, "3 requests per minute")
    told = headers_of(refused)
    assert (told["limit-requests"], told["remaining-requests"]) == ("3", "0")
    assert re.fullmatch(r"(1m0s|[0-9]{1,2}s)", told["reset-requests"])
    assert client.get("/health", headers=bearer()).status_code == 200
    assert client.get("/v1/models").status_code == 401


def test_tokens_per_minute(limited: Limited, triton: ScriptedTriton) -> None:
    """What an answer has used counts when it is closed."""
    client = limited("tokens_per_minute=10").test_client()
    used = 0
    while used < 10:
        with client.post("/v1/completions", json=PROMPT, headers=bearer()) as response:
            assert response.status_code == 200
            used += response.json["usage"]["total_tokens"]
            assert headers_of(response)["remaining-tokens"] == str(max(0, 10 - used))
    refused = client.post("/v1/completions", json=PROMPT, headers=bearer())
    check_limit(refused, "10 tokens per minute")
    assert headers_of(refused)["remaining-tokens"] == "0"


@pytest.mark.parametrize("reads_all", [True, False])
def test_a_stream_keeps_its_place_to_its_end(
    limited: Limited, triton: ScriptedTriton, reads_all: bool
) -> None:
    client = limited("concurrent_requests=1 tokens_per_minute=100").test_client()
    body = {**PROMPT, "stream": True}
    stream = client.post("/v1/completions", json=body, headers=bearer(), buffered=False)
    assert stream.status_code == 200
    check_limit(client.get("/v1/models", headers=bearer()), "1 requests at once")
    if reads_all:
        assert b"[DONE]" in stream.data
    stream.close()
    with client.get("/v1/models", headers=bearer()) as after:
        assert after.status_code == 200
        assert int(headers_of(after)["remaining-tokens"]) < 100


def test_a_failure_gives_the_place_back(limited: Limited) -> None:
    app = limited("concurrent_requests=1")

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug")

    views = dict(app.view_functions)
    app.view_functions["models.get_models"] = fail
    client = app.test_client()
    for _ in range(3):
        with client.get("/v1/models", headers=bearer()) as response:
            assert response.status_code == 500
    app.view_functions.update(views)
    for path, status in (("/v1/models", 200), ("/nothing", 404), ("/v1/models", 200)):
        with client.get(path, headers=bearer()) as response:
            assert response.status_code == status


def test_an_answer_that_is_never_made_gives_the_place_back(limited: Limited) -> None:
    """What comes behind the view may fail too."""
    app = limited("concurrent_requests=1")
    failures = [RuntimeError("a bug")] * 3

    def fail(response: Any) -> Any:
        if failures:
            raise failures.pop()
        return response

    # Before the others, which end in the reverse order.
    app.after_request_funcs.setdefault(None, []).append(fail)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    client = app.test_client()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            client.get("/v1/models", headers=bearer())
    with client.get("/v1/models", headers=bearer()) as response:
        assert response.status_code == 200


def test_the_settings_limits_are_for_every_key(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    settings = {
        "API_KEYS": f"{KEY},{OTHER}",
        "KEY_REQUESTS_PER_MINUTE": "1",
        "KEY_TOKENS_PER_MINUTE": "50",
        "KEY_CONCURRENT_REQUESTS": "5",
    }
    client = build_application(tmp_path, configuration, **settings).test_client()
    for key in (KEY, OTHER):
        with client.get("/v1/models", headers=bearer(key)) as response:
            assert headers_of(response)["limit-tokens"] == "50"
        check_limit(client.get("/v1/models", headers=bearer(key)), "1 requests per minute")


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
