"""What the limits of a key do to its requests, and what the answers say of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.applications import build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton
from tests.web.keys import KEY, OTHER, PROMPT, bearer


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
