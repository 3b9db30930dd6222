"""A server of the OpenAI API of another make: no /readyz, no task, and scripted answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any] | str
Chunks = Callable[[dict[str, Any]], Iterator[Event] | Sequence[Event]]


def text_event(text: str, **more: Any) -> dict[str, Any]:
    """An event with some text."""
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


def last_event(reason: str = "stop") -> dict[str, Any]:
    """The event that ends an answer."""
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


class OtherServer:
    """`answer` makes the events of a chat from its request, `refuse` a status and a body."""

    def __init__(self) -> None:
        self.models: list[str] = ["other-model", "second-model"]
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Chunks = lambda _: [text_event("Hello"), text_event(" you."), last_event()]
        self.refuse: Callable[[dict[str, Any]], tuple[int, Any] | None] = lambda _: None
        self.ends_with_done = True
        self.gone = threading.Event()
        self._http = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Scripted", (Handler,), {"script": self})
        )
        self._http.daemon_threads = True
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers for the `OtherServer` that is its class's `script`."""

    script: OtherServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.script.headers.append(dict(self.headers))
        if self.path == "/v1/models":
            data = [{"id": name, "object": "model"} for name in self.script.models]
            self._json(200, {"object": "list", "data": data})
        else:
            self._json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.headers.append(dict(self.headers))
        self.script.requests.append(body)
        refused = self.script.refuse(body)
        if refused is not None:
            self._json(*refused)
            return
        try:
            self._stream(body)
        except OSError:
            self.script.gone.set()
            self.close_connection = True

    def _stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self.script.answer(body):
            data = event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n"
            self._chunk(data.encode())
        if self.script.ends_with_done:
            self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _json(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
