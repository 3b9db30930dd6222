"""Real nginx with deploy/nginx.conf: what `make test` looks at. tests/proxies looks longer."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from demo.counters import Counters
from tests.applications import closed_port
from tests.live.http import JSON_HEADERS, OpenStream, Server
from tests.live.waiting import wait_until
from tests.proxies.programs import DEPLOY, proxied

# A model that waits between tokens, so that what comes late comes visibly late.
STORY = {"model": "ft-slow", "prompt": "Once upon a time", "temperature": 0}
SHORT = {**STORY, "max_tokens": 5}
LONG = {**STORY, "max_tokens": 900, "repetition_penalty": 1.3}
CHAT = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello!"}]}
# The lines of the file that are for TLS, without their comment signs.
LINES = [line.strip() for line in (DEPLOY / "nginx.conf").read_text().splitlines()]
TLS = [line[2:] for line in LINES if line.startswith(("# listen 443", "# ssl_"))]


@pytest.fixture(scope="module")
def nginx(gateway: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with proxied("nginx", gateway.port, tmp_path_factory.mktemp("nginx") / "run") as found:
        yield found


def test_a_stream_passes_event_by_event_and_a_client_that_leaves_ends_its_request(
    nginx: Server, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    with nginx.stream("/v1/completions", LONG) as stream:
        assert next(stream.lines()).startswith("data: ")
        assert counters("ft-slow").completed == before.completed
    wait_until(lambda: counters("ft-slow").cancelled > before.cancelled, "the cancellation")


def test_a_stream_passes_to_its_end(nginx: Server) -> None:
    with nginx.stream("/v1/completions", SHORT) as stream:
        assert list(stream.lines())[-1] == "data: [DONE]"


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
def test_the_largest_body(nginx: Server, more: int, status: int) -> None:
    body = json.dumps({"model": "demo-chat", "prompt": "a"}).encode()
    body += b" " * (Settings.load({}).max_body_bytes + more - len(body))
    answer = nginx.request("POST", "/tokenize", body, JSON_HEADERS)
    assert answer.status == status
    if status == 413:
        assert answer.json()["error"]["code"] == "request_too_large"


def test_no_server(tmp_path: Path) -> None:
    with proxied("nginx", closed_port(), tmp_path / "run") as alone:
        answer = alone.get("/v1/models")
    assert answer.status == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error"]["code"] == "server_unavailable"


def with_tls(folder: Path) -> dict[str, str]:
    """What makes of the file one with TLS, as its comment says, and with a new certificate."""
    files = folder / "certificate.pem", folder / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    written = ("-days", "2", "-out", str(files[0]), "-keyout", str(files[1]))
    command = ["openssl", "req", "-x509", *curve, *subject, *written]
    subprocess.run(command, check=True, capture_output=True)
    text = "\n        ".join(TLS)
    for name, file in zip(("fullchain.pem", "privkey.pem"), files, strict=True):
        assert f"/etc/ssl/openai_api/{name}" in text
        text = text.replace(f"/etc/ssl/openai_api/{name}", str(file))
    return {"listen 8080;": text}


@pytest.fixture(scope="module")
def tls(gateway: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """nginx as the file says it is with TLS, and the certificate that it has."""
    folder = tmp_path_factory.mktemp("tls")
    edits = with_tls(folder)
    with proxied("nginx", gateway.port, folder / "run", edits) as found:
        yield found, folder / "certificate.pem"


def connected(tls: tuple[Server, Path]) -> http.client.HTTPSConnection:
    server, certificate = tls
    context = ssl.create_default_context(cafile=str(certificate))
    return http.client.HTTPSConnection(server.host, server.port, timeout=60, context=context)


def test_a_stream_over_tls(tls: tuple[Server, Path]) -> None:
    connection = connected(tls)
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(CHAT | {"stream": True}).encode(), JSON_HEADERS
    )
    stream = OpenStream(connection)
    lines = list(stream.lines())
    stream.close()
    assert stream.response.status == 200
    assert lines[-1] == "data: [DONE]"


def test_without_tls_there_is_nothing(tls: tuple[Server, Path]) -> None:
    server, _ = tls
    assert server.get("/v1/models").status == 400
