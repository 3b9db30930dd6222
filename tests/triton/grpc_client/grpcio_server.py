"""A server of grpcio's own, in this process or, as a program that says its port, in another."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

ECHO, STREAM, FAIL, WAIT = (f"/test/{name}" for name in ("Echo", "Stream", "Fail", "Wait"))


def plan(**keys: Any) -> bytes:
    """A request of STREAM (count, size, seconds between) or FAIL (number, text, after)."""
    return json.dumps(keys).encode()


def numbered(number: int, size: int) -> bytes:
    """The answer of that number."""
    return number.to_bytes(4, "big") * (size // 4)


class GrpcioServer:
    """It counts what it sees; stopped, it may be started again on its port."""

    def __init__(
        self,
        address: str = "127.0.0.1:0",
        credentials: grpc.ServerCredentials | None = None,
        **options: int,
    ) -> None:
        self._address = address
        self._credentials = credentials
        self._options = [(f"grpc.{name}", value) for name, value in options.items()]
        self.num_cancelled = self.num_begun = 0
        self.peers: set[str] = set()
        self._count = threading.Lock()
        self.start()

    def start(self) -> None:
        """Listen."""
        options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(300), options=[*options, *self._options])
        handlers = {
            "Echo": grpc.unary_unary_rpc_method_handler(self._echo),
            "Stream": grpc.unary_stream_rpc_method_handler(self._stream),
            "Fail": grpc.unary_stream_rpc_method_handler(self._fail),
            "Wait": grpc.unary_stream_rpc_method_handler(self._wait),
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test", handlers),)
        )
        if self._credentials is None:
            self.port = self._server.add_insecure_port(self._address)
        else:
            self.port = self._server.add_secure_port(self._address, self._credentials)
        host, _, _ = self._address.rpartition(":")
        self._address = self.address = f"{host}:{self.port}"
        self._server.start()

    def stop(self, grace: float | None = None) -> threading.Event:
        """Refuse calls at once, and end those that there are after `grace` seconds."""
        return self._server.stop(grace)

    def _begin(self, context: grpc.ServicerContext) -> None:
        with self._count:
            self.num_begun += 1
            self.peers.add(context.peer())

    def _echo(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self._begin(context)
        return request

    def _stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._begin(context)
        wanted = json.loads(request)
        for number in range(wanted["count"]):
            yield numbered(number, wanted.get("size", 4))
            time.sleep(wanted.get("seconds", 0))

    def _fail(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        wanted = json.loads(request)
        yield from [b"good"] * wanted.get("after", 0)
        codes = {code.value[0]: code for code in grpc.StatusCode}
        context.abort(codes[wanted["number"]], wanted["text"])

    def _wait(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self._begin(context)
        gone = threading.Event()

        def leave() -> None:
            # Who has left already when the message is out is not told here below any more.
            with self._count:
                self.num_cancelled += 1
            gone.set()

        if not context.add_callback(leave):
            # It has left before this was begun.
            leave()
        yield b"waiting"
        gone.wait(60)


if __name__ == "__main__":
    print(GrpcioServer().address, flush=True)
    threading.Event().wait()
