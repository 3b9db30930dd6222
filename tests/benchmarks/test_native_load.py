"""The load generator against servers whose answers come in awkward pieces, and the drain."""

from __future__ import annotations

import json
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.applications import closed_port
from tests.benchmarks.native_programs import mock_triton, programs
from tests.live.waiting import LATE

ROLE = {"choices": [{"delta": {"role": "assistant", "content": ""}}]}
TOKEN = {"choices": [{"delta": {"content": 'an "usage": {"completion_tokens": 99} é\n\ndata: '}}]}
END = {"choices": [{"delta": {}, "finish_reason": "length"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 12}}

Reply = Callable[[bytes], Iterator[bytes]]


def events(*data: Any, end: str = "data: [DONE]\n\n") -> bytes:
    return "".join(f"data: {json.dumps(item)}\n\n" for item in data).encode() + end.encode()


STREAM = events(ROLE, *[TOKEN] * 2, END, USAGE)


def chunked(body: bytes, size: int) -> bytes:
    """An answer in chunks of so many bytes, with an extension and a trailer."""
    cuts = [*range(0, len(body), size), len(body)]
    parts = [body[start:stop] for start, stop in pairwise(cuts)]
    coded = b"".join(b"%X;x=1\r\n%s\r\n" % (len(part), part) for part in parts)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    return head + b"transfer-encoding: Chunked\r\n\r\n" + coded + b"0\r\nX-Trailer: 1\r\n\r\n"


def sized(body: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + length + more + b"\r\n" + body


def pieces(answer: bytes, size: int) -> Reply:
    """The answer in writes of so many bytes, each of which the client reads for itself."""

    def reply(_: bytes) -> Iterator[bytes]:
        for start in range(0, len(answer), size):
            yield answer[start : start + size]

    return reply


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    reply: Reply
    requests: list[bytes]


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while head := self._head():
            fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
            body = self.rfile.read(int(fields.get(b"content-length", 0)))
            self.server.requests.append(head + b"\r\n" + body)
            for piece in self.server.reply(body):
                self.wfile.write(piece)
                time.sleep(0)
            if b"close" in b"".join(self.server.reply(body)).split(b"\r\n\r\n")[0]:
                return

    def _head(self) -> bytes:
        """A request's first lines, nothing when there is no further request."""
        lines = []
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            lines.append(line)
        return b"".join(lines)


@contextmanager
def served(reply: Reply) -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.reply, server.requests = reply, []
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def load(port: int, tmp_path: Path, *options: str) -> Any:
    body = tmp_path / "body.json"
    body.write_text('{"model": "m"}')
    words = [str(programs() / "http_load"), "--url", f"http://127.0.0.1:{port}/v1/x?y=1"]
    words += ["--body", str(body), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def measure(reply: Reply, tmp_path: Path, *options: str) -> tuple[Any, list[bytes]]:
    with served(reply) as server:
        port = server.server_address[1]
        return load(port, tmp_path, "--connections", "2", *options), server.requests


@pytest.mark.parametrize(
    ("chunk", "piece"), [(1, 31), (5, 7), (83, 3), (10_000, 1), (10_000, 2), (61, 10_000)]
)
def test_a_stream_in_pieces(tmp_path: Path, chunk: int, piece: int) -> None:
    answer = chunked(STREAM, chunk)
    found, requests = measure(pieces(answer, piece), tmp_path, "--stream", "--requests", "3")
    assert (found["requests"], found["errors"], found["error_samples"]) == (3, 0, [])
    assert (found["tokens"], found["events"], found["tokens_seen"]) == (36, 6, 36)
    assert found["bytes"] == 3 * len(answer)
    counts = [found[name]["count"] for name in ("ttft_ms", "gap_ms", "latency_ms")]
    assert counts == [3, 3, 3]
    assert len(requests) == 3


def test_what_is_sent(tmp_path: Path) -> None:
    options = ("--requests", "1", "--header", "Authorization: Bearer x")
    _, (request,) = measure(pieces(sized(b"{}"), 1000), tmp_path, *options)
    assert request.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nContent-Type: application/json\r\nAuthorization: Bearer x\r\n" in request
    assert request.endswith(b'\r\n{"model": "m"}')


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_whole_answers(tmp_path: Path, more: bytes) -> None:
    answer = sized(json.dumps({"error": None, **TOKEN, **USAGE}).encode(), more=more)
    found, _ = measure(pieces(answer, 31), tmp_path, "--requests", "9")
    assert (found["requests"], found["errors"], found["tokens"]) == (9, 0, 108)
    assert found["ttft_ms"]["p50"] is None
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["max"]


@pytest.mark.parametrize(
    ("answer", "sample"),
    [
        (chunked(events(TOKEN, USAGE, end=""), 50), "the stream ended without [DONE]"),
        (chunked(events(TOKEN, {"error": {"message": "no"}}), 9), '{"error": {"message": "no"}}'),
        (sized(b'{"error": "busy"}', b"429 Too Many"), 'HTTP 429: {"error": "busy"}'),
        (b"SSH-2.0-nothing to see here\r\n\r\n", "the answer is not HTTP/1.1"),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99\r\n\r\nshort",
            "the server closed the connection in the middle of an answer",
        ),
    ],
)
def test_errors(tmp_path: Path, answer: bytes, sample: str) -> None:
    found, _ = measure(pieces(answer, 1000), tmp_path, "--stream", "--requests", "4")
    assert (found["requests"], found["errors"]) == (0, 4)
    assert found["error_samples"] == [sample]


def test_nobody_listens(tmp_path: Path) -> None:
    found = load(closed_port(), tmp_path, "--connections", "3", "--requests", "5")
    assert (found["requests"], found["errors"]) == (0, 5)
    assert found["error_samples"] == ["Connection refused"]


def test_silence_has_a_limit(tmp_path: Path) -> None:
    is_over = threading.Event()

    def silent(_: bytes) -> Iterator[bytes]:
        is_over.wait(60)
        yield b""

    found, _ = measure(silent, tmp_path, "--requests", "2", "--timeout", "0.5")
    is_over.set()
    assert found["error_samples"] == ["no byte came before --timeout"]


def test_unfinished_answers_count_by_their_events(tmp_path: Path) -> None:
    is_over = threading.Event()

    def endless(_: bytes) -> Iterator[bytes]:
        yield chunked(STREAM, 10_000).split(b"0\r\nX-Trailer")[0]
        is_over.wait(60)

    options = ("--stream", "--seconds", "1", "--ramp", "0.2")
    found, _ = measure(endless, tmp_path, *options)
    is_over.set()
    assert (found["requests"], found["errors"], found["tokens"]) == (0, 0, 0)
    # One connection began before the second that counts, the other within the ramp.
    assert found["tokens_seen"] == found["events"]
    assert 0.9 < found["seconds"] < 1 + LATE


def test_times_are_those_of_the_server(tmp_path: Path) -> None:
    parts = [chunked(events(TOKEN, TOKEN, TOKEN, USAGE), 10_000)]
    head, body = parts[0].split(b"\r\n\r\n", 1)
    begin = body.index(b"data: {")

    def slow(_: bytes) -> Iterator[bytes]:
        time.sleep(0.1)
        yield head + b"\r\n\r\n" + body[:begin]
        time.sleep(0.1)
        # What is written at once is read at once, however busy the machine is.
        yield body[begin:]

    found, _ = measure(slow, tmp_path, "--stream", "--requests", "2")
    assert found["ttft_ms"]["p50"] >= 200
    assert found["gap_ms"]["p50"] < 50
    assert found["latency_ms"]["p50"] >= found["ttft_ms"]["p50"]


@pytest.mark.parametrize(
    "options", [["--requests", "1"], ["--connections", "2"], ["--url", "ftp://x"]]
)
def test_usage(options: list[str]) -> None:
    done = subprocess.run(
        [str(programs() / "http_load"), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "usage: http_load" in done.stderr


def drain(target: str, *options: str) -> Any:
    words = [str(programs() / "grpc_drain"), "--target", target, *options]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_the_drain_counts_what_the_mock_sends(tmp_path: Path) -> None:
    load = ("--connections", "64", "--prompt-tokens", "9000", "--max-tokens", "40")
    with mock_triton(tmp_path, (5,)) as mock:
        found = drain(mock.grpc, *load, "--requests", "128", "--model", "ft-step8")
        assert (found["requests"], found["errors"]) == (128, 0)
        assert (found["events"], found["tokens"]) == (128 * 5, 128 * 40)
        refused = drain(mock.grpc, *load, "--requests", "3", "--model", "absent")
        assert refused["error_samples"] == ["the model refused the request"]
        assert (refused["requests"], refused["errors"]) == (0, 3)
