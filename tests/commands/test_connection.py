"""The client's connection: what breaks it, and how that is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from app.client.address import ServerAddress
from app.client.connection import Connection
from app.client.errors import ServerError
from app.terminal.failures import CommandError
from tests.commands.other_server import OtherServer
from tests.commands.running import run

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}'


@contextmanager
def raw_server(connections: Sequence[bytes | Sequence[bytes]]) -> Iterator[str]:
    """Each connection gets these answers, each to one request, and is then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answers in connections:
                accepted, _ = listener.accept()
                with accepted:
                    for answer in [answers] if isinstance(answers, bytes) else answers:
                        received = accepted.recv(65536)
                        # http.client sends a small body apart from its headers.
                        if received.startswith(b"POST") and received.endswith(b"\r\n\r\n"):
                            accepted.recv(65536)
                        accepted.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(60)
        assert not thread.is_alive()


def connection(url: str) -> Connection:
    return Connection(ServerAddress.parse(url), None, 60.0)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    with raw_server([WHOLE, WHOLE]) as url:
        kept = connection(url)
        for _ in range(2):
            assert kept.get("/v1/models").json() == {"data": []}
        kept.close()


def test_what_may_have_been_read_is_not_sent_again() -> None:
    """That no answer comes does not say that nobody has begun with one."""
    with raw_server([(WHOLE, b""), WHOLE]) as url:
        kept = connection(url)
        assert kept.post("/v1/embeddings", {}).json() == {"data": []}
        with pytest.raises(ServerError) as found:
            kept.post("/v1/embeddings", {})
        assert found.value.kind == "connection broken"
        assert kept.post("/v1/embeddings", {}).json() == {"data": []}
        kept.close()


def test_a_streamed_answer_of_a_known_length_leaves_the_connection_usable() -> None:
    lines = [b"data: {}\n", b"\n", b"data: [DONE]\n", b"\n"]
    body = b"".join(lines)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with raw_server([(answer, answer, WHOLE)]) as url:
        kept = connection(url)
        for _ in range(2):
            assert list(kept.lines("/v1/chat/completions", {})) == lines
        assert kept.post("/v1/embeddings", {}).json() == {"data": []}
        kept.close()


def test_a_streamed_answer_that_is_shorter_than_it_was_to_be() -> None:
    with raw_server([b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ndata: {}\n\n"]) as url:
        lines = connection(url).lines("/v1/chat/completions", {})
        assert (next(lines), next(lines)) == (b"data: {}\n", b"\n")
        with pytest.raises(ServerError) as found:
            next(lines)
    assert found.value.kind == "connection broken"


@pytest.mark.parametrize(
    ("answer", "told", "kind"),
    [
        (b"", "ended the connection", "connection broken"),
        (b"220 mail ready\r\n", "does not answer as HTTP asks", "not HTTP"),
        (WHOLE[:-5], "ended the connection", "connection broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "not JSON", "unreadable answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "has no data", "unreadable answer"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "answered 302: Found", "HTTP 302"),
    ],
)
def test_answers_that_are_none(answer: bytes, told: str, kind: str) -> None:
    from app.client.model_list import list_models

    with raw_server([answer]) as url, pytest.raises(ServerError) as found:
        list_models(connection(url))
    assert told in found.value.message
    assert found.value.kind == kind


def test_a_silent_server_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        found = run("chat", "--url", f"localhost:{port}", "--model", "m", "--timeout", "0.2", "Hi")
    assert found.returncode == 1
    assert "did not answer in time" in found.stderr


def test_tls_where_there_is_none(other: OtherServer) -> None:
    found = run("models", "--url", other.url.replace("http:", "https:"))
    assert found.returncode == 1
    assert "does not speak TLS" in found.stderr


def test_a_name_that_is_unknown() -> None:
    found = run("models", "--url", "http://name.invalid")
    assert found.returncode == 1
    assert "cannot be looked up" in found.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("localhost:5100", "http://localhost:5100"),
        ("http://localhost:5100/v1/", "http://localhost:5100"),
        ("https://api.example.com/v1", "https://api.example.com:443"),
        ("http://host/gateway/v1", "http://host:80/gateway"),
        ("http://[::1]:5100", "http://[::1]:5100"),
    ],
)
def test_addresses(given: str, told: str) -> None:
    assert str(ServerAddress.parse(given)) == told


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host",
        "http://",
        "http://user:pw@host",
        "http://host:99999",
        "http://host:0",
        "http://[::1",
        "http://a..b",
        f"http://{'a' * 64}",
        "http://a b",
        "http://a\x1b[2J",
        "http://host/\xe9",
        "http://host/a b",
        "http://host/v1?key=a",
        "http://host/v1#part",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(CommandError) as found:
        ServerAddress.parse(url)
    assert "is no address" in found.value.message
    assert found.value.code == 2


def test_a_name_in_another_script_is_looked_up() -> None:
    found = run("models", "--url", "http://m\xfcnchen.invalid")
    assert found.returncode == 1
    assert "cannot be looked up" in found.stderr
