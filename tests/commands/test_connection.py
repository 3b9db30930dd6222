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
from tests.commands.other_server import OtherServer
from tests.commands.running import run

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}'


@contextmanager
def raw_server(answers: Sequence[bytes]) -> Iterator[str]:
    """Each connection gets one request read and one answer, and is then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                accepted, _ = listener.accept()
                with accepted:
                    accepted.recv(65536)
                    accepted.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(30)
        assert not thread.is_alive()


def connection(url: str) -> Connection:
    return Connection(ServerAddress.parse(url), None, 30.0)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    with raw_server([WHOLE, WHOLE]) as url:
        kept = connection(url)
        for _ in range(2):
            assert kept.get("/v1/models").json() == {"data": []}
        kept.close()


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
