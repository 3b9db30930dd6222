"""The setting METRICS_BIND, and which connections it is about."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.scraping import MetricsAddress


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("127.0.0.1:9100", "127.0.0.1:9100"),
        ("metrics.internal:1", "metrics.internal:1"),
        ("[::1]:9100", "[::1]:9100"),
        ("", None),
        (" ", None),
    ],
)
def test_an_address(given: str, expected: str | None) -> None:
    assert Settings.load({"METRICS_BIND": given}).metrics_bind == expected


@pytest.mark.parametrize(
    "given", ["9100", ":9100", "::1:9100", "[::1:9100", "a:", "a:0", "a:65536", "a:b", "a:-1"]
)
def test_what_is_no_address_is_told(given: str) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_BIND"):
        Settings.load({"METRICS_BIND": given})


def test_the_servers_own_port_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="another port than PORT"):
        Settings.load({"PORT": "7000", "METRICS_BIND": "127.0.0.2:7000"})
    assert Settings.load({"PORT": "700", "METRICS_BIND": "127.0.0.2:7000"}).metrics_bind


SETTINGS = Settings.load({"BODY_TIMEOUT": "3"})


def ask(address: MetricsAddress, connection: Any, **environ: str) -> bytes:
    asked = {
        "PATH_INFO": "/metrics",
        "REQUEST_METHOD": "GET",
        "gunicorn.socket": connection,
        **environ,
    }
    return b"".join(address(asked, lambda status, headers: None))


def test_a_connection_is_known_by_its_socket_and_by_nothing_that_is_sent() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        return [b"the application"]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            with accepted:
                ours = MetricsAddress(application, port, SETTINGS)
                other = MetricsAddress(application, port + 1, SETTINGS)
                body = ask(ours, accepted)
                assert b"openai_api_build_info{" in body
                assert accepted.gettimeout() == 3.0
                lie = {"SERVER_PORT": str(port + 1), "HTTP_HOST": f"x:{port + 1}"}
                assert ask(other, accepted, **lie) == b"the application"
                assert ask(ours, None, SERVER_PORT=str(port)) == b"the application"
    left, right = socket.socketpair()
    with left, right:
        assert ask(MetricsAddress(application, port, SETTINGS), left) == b"the application"
