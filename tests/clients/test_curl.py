"""curl: streams as they come, HTTP/1.0, one connection after an error, bodies that are announced.

https://everything.curl.dev/http/post/expect100
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.settings import TABLE
from tests.clients.failing import GATE
from tests.live.http import Server

pytestmark = pytest.mark.case("E2", "curl: HTTP/1.0, kept connections, Expect")

(MAX_BODY_BYTES,) = (row.default for row in TABLE if row.name == "max_body_bytes")
# One line after each answer: status, new connections, bytes sent, protocol version.
WRITE = "\n%{stderr}%{http_code} %{num_connects} %{size_upload} %{http_version}\n"
JSON = ["-H", "Content-Type: application/json"]
GOOD = ["-d", json.dumps({"model": "good-curl", "prompt": "a"})]
STREAMED = ["-d", json.dumps({"model": "good-curl", "prompt": "a", "stream": True})]
GATED: dict[str, Any] = {
    "model": "gated-curl",
    "prompt": "a",
    "max_tokens": 12,
    "stream": True,
}
# What is wrong, and what it is answered.
ERRORS: dict[str, tuple[list[str], int]] = {
    "no JSON": ([*JSON, "-d", '{"model":'], 400),
    "no such model": ([*JSON, "-d", '{"model": "nobody", "prompt": "a"}'], 404),
    "another method": (["-X", "PUT", *JSON, *GOOD], 405),
    "another type": (["-H", "Content-Type: text/plain", *GOOD], 415),
    "no Triton": ([*JSON, "-d", '{"model": "away-curl", "prompt": "a"}'], 503),
    "a bad model": ([*JSON, "-d", '{"model": "bad-curl", "prompt": "a"}'], 502),
    "a late model": ([*JSON, "-d", '{"model": "late-curl", "prompt": "a"}'], 504),
}


def command(server: Server, *arguments: str) -> list[str]:
    curl = shutil.which("curl")
    assert curl, "these tests need curl"
    return [
        curl,
        "-sS",
        "-w",
        WRITE,
        "--max-time",
        "60",
        f"{server.url}/v1/completions",
        *arguments,
    ]


def run(server: Server, *requests: list[str]) -> tuple[str, list[list[str]]]:
    """The bodies of these requests, one after the other, and what WRITE shows of each."""
    arguments = [command(server, *request) for request in requests]
    # After --next the options begin anew, for the same connections.
    line = arguments[0] + [text for each in arguments[1:] for text in ["--next", *each[1:]]]
    done = subprocess.run(line, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, [text.split() for text in done.stderr.splitlines()]


def test_events_are_printed_as_they_come(failing_server: Server) -> None:
    line = command(failing_server, "--no-buffer", *JSON, "-d", json.dumps(GATED))
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(GATED["max_tokens"]):
            assert process.stdout.readline().startswith(b"data: ")
            assert process.stdout.readline() == b"\n"
            # Nothing else has been generated.
            GATE.release()
        rest = process.stdout.read()
    assert rest.endswith(b"data: [DONE]\n\n\n")


def test_http_1_0(failing_server: Server) -> None:
    body, shown = run(failing_server, ["--http1.0", *JSON, *GOOD])
    assert json.loads(body)["usage"]["completion_tokens"] == 2
    assert shown == [["200", "1", str(len(GOOD[1])), "1"]]
    body, shown = run(failing_server, ["--http1.0", *JSON, *STREAMED])
    assert body.endswith("data: [DONE]\n\n\n")
    assert "\r" not in body, "HTTP/1.0 knows no chunks"
    assert shown[0][3] == "1"


@pytest.mark.parametrize("error", ERRORS)
def test_the_connection_serves_on_after_an_error(failing_server: Server, error: str) -> None:
    arguments, status = ERRORS[error]
    bodies, shown = run(
        failing_server, arguments, [*JSON, *GOOD], [*JSON, *STREAMED], [*JSON, *GOOD]
    )
    assert [line[:2] for line in shown] == [
        [str(status), "1"],
        *[["200", "0"]] * 3,
    ]
    assert set(json.loads(bodies.splitlines()[0])) == {"error"}


def test_a_stream_that_failed_leaves_a_connection_that_serves(failing_server: Server) -> None:
    failing: dict[str, Any] = {"model": "fails-curl", "prompt": "a", "stream": True}
    bodies, shown = run(failing_server, [*JSON, "-d", json.dumps(failing)], [*JSON, *GOOD])
    assert '"backend_error"' in bodies
    assert "[DONE]" not in bodies
    assert [line[:2] for line in shown] == [["200", "1"], ["200", "0"]]


def test_an_announced_body_that_is_too_large_is_not_sent(
    failing_server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "body"
    with file.open("wb") as body:
        body.truncate(MAX_BODY_BYTES + 1)
    announced = ["-H", "Expect: 100-continue", "--data-binary", f"@{file}"]
    bodies, shown = run(failing_server, [*JSON, *announced], [*JSON, *GOOD])
    assert json.loads(bodies.splitlines()[0])["error"]["code"] == "request_too_large"
    assert [line[0] for line in shown] == ["413", "200"]
    assert int(shown[0][2]) < MAX_BODY_BYTES


def test_an_announced_body_is_taken(failing_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "body"
    text = GOOD[1] + " " * (2**21 - len(GOOD[1]))
    file.write_text(text)
    announced = ["-H", "Expect: 100-continue", "--data-binary", f"@{file}"]
    _, shown = run(failing_server, [*JSON, *announced], [*JSON, *GOOD])
    assert [line[:3] for line in shown] == [
        ["200", "1", str(len(text))],
        ["200", "0", str(len(GOOD[1]))],
    ]
