"""A plain HTTP client that shows what goes over the wire, events one by one."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 120.0
JSON_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class OpenStream:
    """A streamed answer that is being read."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._connection = connection
        self.response = connection.getresponse()

    def lines(self) -> Iterator[str]:
        """Every line that is not empty, as it comes."""
        while line := self.response.readline():
            if line.strip():
                yield line.decode().rstrip("\n")

    def close(self) -> None:
        """Go away, as a client that is killed does."""
        # http.client keeps the socket open as long as the response is.
        self.response.close()
        self._connection.close()


@dataclass(frozen=True)
class Server:
    """The application that is running."""

    host: str
    port: int
    log: Path
    pid: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def log_text(self) -> str:
        """The lines that are complete; a reader may meet the last one half written."""
        text = self.log.read_text(errors="replace")
        return text[: text.rfind("\n") + 1]

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("POST", path, json.dumps(body).encode(), JSON_HEADERS | headers)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Any = None
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def send(self, path: str, body: Any, **headers: str) -> http.client.HTTPConnection:
        """Send a request and do not wait for the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
        connection.request("POST", path, json.dumps(body).encode(), JSON_HEADERS | headers)
        return connection

    @contextmanager
    def stream(self, path: str, body: Any) -> Iterator[OpenStream]:
        stream = OpenStream(self.send(path, {**body, "stream": True}))
        try:
            yield stream
        finally:
            stream.close()

    def events(self, path: str, body: Any) -> list[dict[str, Any]]:
        """All events of a stream that must end with [DONE]."""
        with self.stream(path, body) as stream:
            assert stream.response.status == 200
            lines = [line for line in stream.lines() if not line.startswith(":")]
        assert all(line.startswith("data: ") for line in lines)
        assert lines[-1] == "data: [DONE]"
        return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
