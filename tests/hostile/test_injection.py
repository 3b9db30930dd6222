"""Texts in every place of a request: they stay texts, and reach nobody whom they do not concern."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
    closed_port,
    language_model,
    standard_configuration,
    write_configuration,
)
from tests.hostile.injection import FORGED, LINES
from tests.live.http import Answer, Server
from tests.live.servers import running
from tests.live.waiting import wait_until
from tests.scripted_triton import (
    Reply,
    ScriptedHttpTriton,
    ScriptedTriton,
    error_message,
    say,
)

pytestmark = pytest.mark.case("D5", "Templates, markup and addresses in every field")

KEY = "canary-key-7f3a9c"
DEAD = "dead"
BEARER = {"Authorization": f"Bearer {KEY}"}
# 1 MB is more than the server's line of a log and any field may be.
HUGE = "a" * 10**6
# These tell of Tritons, which are looked at each ten seconds, whoever asks meanwhile.
OF_NO_REQUEST = {"app.services.readiness", "app.triton.grpc_connection"}


@pytest.fixture(scope="module")
def _server(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("injection")
    content = standard_configuration(_triton.address, _http_triton.address)
    content["llm"].append(language_model(f"127.0.0.1:{closed_port()}", name=DEAD))
    content["model_infos"].append({"name": DEAD, "end_id": 2, "max_len": 64})
    path = write_configuration(base, content)
    # The log says all that it ever says.
    settings = {"API_KEYS": KEY, "LOG_LEVEL": "DEBUG", "VERBOSE": "1"}
    with running("gunicorn", path, base / "log", **settings) as server:
        yield server


@pytest.fixture
def server(
    _server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> Iterator[Server]:
    """A server with a key, whose log is as talkative as it can be."""
    yield _server
    assert "Traceback" not in _server.log_text()


def asked(server: Server, ask: Callable[[], Answer]) -> tuple[Answer, list[str]]:
    """The answer, and what the log gains by it: its own line is written after its answer."""
    before = len(server.log_text())
    answer = ask()
    (request_id,) = answer.headers.get_all("x-request-id")
    its_line = re.compile(re.escape(request_id) + r": (\d+: not readable|[A-Z]+ .* in \d+ ms)")

    def told() -> str:
        return server.log_text()[before:]

    wait_until(lambda: its_line.search(told()) is not None, "the line of the request")
    return answer, [line for line in told().splitlines() if not is_of_no_request(line)]


def is_of_no_request(line: str) -> bool:
    try:
        return json.loads(line)["logger"] in OF_NO_REQUEST
    except (ValueError, TypeError, KeyError):
        return False


def post(server: Server, path: str, **body: Any) -> Answer:
    return server.post(path, body, **BEARER)


def as_model(server: Server, text: str) -> Answer:
    return post(server, "/v1/completions", model=text, prompt="a")


def as_user(server: Server, text: str) -> Answer:
    return post(server, "/v1/completions", model=LLM, prompt="a", user=text)


def as_field(server: Server, text: str) -> Answer:
    return post(server, "/v1/completions", **{"model": LLM, "prompt": "a", text: 1})


def as_path(server: Server, text: str) -> Answer:
    return server.request("GET", "/x" + quote(text)[:4000], headers=BEARER)


def as_listed(server: Server, text: str) -> Answer:
    return server.request("GET", "/v1/models/" + quote(text, safe="")[:4000], headers=BEARER)


def as_header(server: Server, text: str) -> Answer:
    value = "".join(c for c in text if c.isprintable() and c.isascii())[:8000]
    headers = {**BEARER, "X-Request-Id": value, "User-Agent": value, "OpenAI-Organization": value}
    return server.request("GET", "/v1/models", headers=headers)


def as_key(server: Server, text: str) -> Answer:
    value = "".join(c for c in text if c.isprintable() and c.isascii())[:8000]
    return server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {value}"})


PLACES = [as_model, as_user, as_field, as_path, as_listed, as_header, as_key]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_request_is_as_many_lines_as_any_other(
    server: Server, place: Callable[[Server, str], Answer]
) -> None:
    for _ in range(2):
        _, expected = asked(server, lambda: place(server, "harmless"))
    for text in [*LINES, HUGE]:
        answer, told = asked(server, partial(place, server, text))
        assert len(told) == len(expected), text[:60]
        assert all(line.isprintable() and len(line) <= 2048 for line in told), text[:60]
        assert not any(line.startswith(FORGED[:20]) for line in told)
        (request_id,) = answer.headers.get_all("x-request-id")
        assert re.fullmatch(r"[A-Za-z0-9_.:-]{1,128}", request_id)
        assert answer.status == 200 or len(answer.body) <= 4096


def test_the_words_of_a_backend_are_one_line(server: Server, triton: ScriptedTriton) -> None:
    for text in LINES:
        triton.script = say(error_message(f"failed: {text}"))
        _, told = asked(server, lambda: post(server, "/v1/completions", model=LLM, prompt="a"))
        assert all(line.isprintable() for line in told), text[:60]
        assert not any(line.startswith(FORGED[:20]) for line in told)


# ---- what must never be seen

SECRET = "canary-prompt-b81e"
MESSAGE = [{"role": "user", "content": SECRET}]
CONFIDED: list[tuple[str, dict[str, Any]]] = [
    ("/v1/completions", {"model": LLM, "prompt": SECRET}),
    ("/v1/completions", {"model": DEAD, "prompt": SECRET}),
    ("/v1/completions", {"model": LLM, "prompt": SECRET, "stream": True}),
    ("/v1/completions", {"model": LLM, "prompt": SECRET, "n": SECRET}),
    ("/v1/completions", {"model": LLM, "prompt": SECRET * 1000}),
    ("/v1/chat/completions", {"model": LLM, "messages": MESSAGE}),
    ("/v1/chat/completions", {"model": LLM, "messages": MESSAGE, "stream": True}),
    ("/v1/chat/completions", {"model": LLM, "messages": MESSAGE, "stop": SECRET}),
    ("/v1/responses", {"model": LLM, "input": SECRET}),
    ("/v1/messages", {"model": LLM, "messages": MESSAGE, "max_tokens": 3}),
    ("/v1/embeddings", {"model": EMBEDDING, "input": SECRET}),
    ("/v1/embeddings", {"model": EMBEDDING, "input": [SECRET, 5]}),
    ("/v1/rerank", {"model": RERANKER, "query": SECRET, "documents": [SECRET]}),
    ("/tokenize", {"model": LLM, "prompt": SECRET}),
]
LEAKS = re.compile(
    r"0x[0-9a-f]{6,}|Traceback|/(?:root|home|tmp|work|usr|etc|opt)/|\bapp\.\w+|\.py\b"
)


@pytest.mark.case("D8", "Keys, prompts and a backend's words in logs and errors")
def test_canaries_are_nowhere(
    server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    failing = say(error_message("canary-error in /root/model.py at 0x7f001122 for http://10.9.8.7"))
    answers = [server.request("GET", "/v1/models", headers=BEARER)]
    for script, infer in ((triton.script, http_triton.infer), (failing, failed)):
        triton.script, http_triton.infer = script, infer
        answers += [post(server, path, **body) for path, body in CONFIDED]
        answers += [server.post(path, body) for path, body in CONFIDED]
    answers += [server.request("GET", path, headers=BEARER) for path in ("/metrics", "/readyz")]
    told = server.log_text()
    assert KEY not in told
    assert SECRET not in told
    statuses = {answer.status for answer in answers}
    assert {200, 400, 401, 502, 503} <= statuses
    for answer in answers:
        text = answer.body.decode()
        for canary in (KEY, "canary-error", "10.9.8.7", triton.address, http_triton.address):
            assert canary not in text, text
        if answer.status >= 400:
            assert not LEAKS.search(text), text


def failed(_: Any) -> Reply:
    return Reply(
        500, b'{"error":"canary-error in /root/model.py at 0x7f001122 for http://10.9.8.7"}'
    )
