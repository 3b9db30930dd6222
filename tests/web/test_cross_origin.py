"""Pages of other origins: none unless the settings allow it, and never with cookies."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.errors import ConfigurationError
from app.settings import PROJECT_ROOT, Settings
from tests.applications import LLM, build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

KEY = "sk-of-a-page-0123456789"
PAGE, OTHER = "https://chat.example", "https://evil.example"
PATH = "/v1/completions"
BODY = {"model": LLM, "prompt": "a", "max_tokens": 1}
Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Serve:
    def served(**settings: str) -> FlaskClient:
        content = standard_configuration(triton.address, http_triton.address)
        return build_application(tmp_path, content, **settings).test_client()

    return served


def preflight(client: FlaskClient, origin: str, path: str = PATH) -> TestResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
    }
    return client.options(path, headers=headers)


def permissions(response: TestResponse) -> dict[str, str]:
    found = [item for item in response.headers if item[0].startswith("Access-Control-")]
    return {name.removeprefix("Access-Control-"): value for name, value in found}


def test_nothing_is_allowed_by_default(serve: Serve) -> None:
    client = serve()
    assert preflight(client, PAGE).status_code == 405
    answers = [preflight(client, PAGE), client.post(PATH, json=BODY, headers={"Origin": PAGE})]
    assert [permissions(answer) for answer in answers] == [{}, {}]
    assert "Origin" not in answers[1].vary


@pytest.mark.parametrize(("setting", "told"), [(f"{OTHER[:-1]}x, {PAGE}", PAGE), ("*", "*")])
def test_an_allowed_page_reads_answers_and_refusals(serve: Serve, setting: str, told: str) -> None:
    client = serve(CORS_ORIGINS=setting, API_KEYS=KEY)
    asked = preflight(client, PAGE)
    assert (asked.status_code, asked.data) == (204, b"")
    assert permissions(asked) == {
        "Allow-Origin": told,
        "Allow-Methods": "GET, POST",
        "Allow-Headers": "*, Authorization",
        "Expose-Headers": "*",
        "Max-Age": "600",
    }
    for key, status in ((KEY, 200), ("sk-wrong", 401)):
        headers = {"Origin": PAGE, "Authorization": f"Bearer {key}"}
        answer = client.post(PATH, json=BODY, headers=headers)
        assert answer.status_code == status
        assert permissions(answer) == {"Allow-Origin": told, "Expose-Headers": "*"}
        assert ("Origin" in answer.vary) == (told != "*")


@pytest.mark.parametrize(
    "origin", [OTHER, "null", PAGE.upper(), f"{PAGE}.evil.example", f"{PAGE}:444", f"{PAGE}/", ""]
)
def test_other_pages_are_not_allowed(serve: Serve, origin: str) -> None:
    client = serve(CORS_ORIGINS=PAGE)
    assert preflight(client, origin).status_code == 405
    answer = client.post(PATH, json=BODY, headers={"Origin": origin})
    assert permissions(answer) == {}
    assert "Origin" in answer.vary


def test_a_preflight_opens_nothing_else(serve: Serve) -> None:
    client = serve(CORS_ORIGINS=PAGE, API_KEYS=KEY)
    assert client.options(PATH, headers={"Origin": PAGE}).status_code == 401
    assert client.post(PATH, json=BODY, headers={"Origin": PAGE}).status_code == 401
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    assert client.post(PATH, json=BODY, headers=asked).status_code == 401


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("*", ("*",)),
        (
            "https://A.example , http://localhost:3000",
            ("https://a.example", "http://localhost:3000"),
        ),
        ("chrome-extension://abc,http://[::1]:80", ("chrome-extension://abc", "http://[::1]:80")),
    ],
)
def test_what_the_setting_takes(text: str, expected: tuple[str, ...] | None) -> None:
    assert Settings.load({"CORS_ORIGINS": text}).cors_origins == expected


@pytest.mark.parametrize(
    "text", ["chat.example", "https://chat.example/", "https://a@b", "https://*.example/x", "null"]
)
def test_what_the_setting_refuses(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"CORS_ORIGINS": text})
    (problem,) = caught.value.problems
    assert "CORS_ORIGINS" in problem.path
    assert "https://app.example:8443" in str(problem)


def test_the_page_gets_an_event_stream_too(serve: Serve) -> None:
    client = serve(CORS_ORIGINS=PAGE)
    body: dict[str, Any] = {**BODY, "stream": True}
    answer = client.post(PATH, json=body, headers={"Origin": PAGE})
    assert answer.mimetype == "text/event-stream"
    assert permissions(answer)["Allow-Origin"] == PAGE


def test_the_setting_of_the_documentation(serve: Serve) -> None:
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text()
    (setting,) = re.findall(r"^CORS_ORIGINS=(\S+) openai-api serve$", page, re.MULTILINE)
    client = serve(CORS_ORIGINS=setting)
    for origin in setting.split(","):
        assert permissions(preflight(client, origin))["Allow-Origin"] == origin
