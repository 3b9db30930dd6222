"""Embedding and rerank models over Triton's HTTP, with binary tensors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import orjson
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPConnectionClosed
from geventhttpclient.url import URL

from app import offload
from app.cancellation import Cancellation
from app.errors import BackendTimeout, BackendUnavailable, ClientDisconnected
from app.registry import Timeouts
from app.triton.address import Address
from app.triton.contract import ModelContract, contract_from_json
from app.triton.errors import (
    broken_connection,
    broken_contract,
    seconds_left,
    silent,
    timed_out,
    unreached,
    with_port,
)
from app.triton.http_answers import HEAD_SIZE, MIN_ANSWER_LIMIT, OK, Answer, accepted, answer_limit
from app.triton.http_messages import infer_body, output_array
from app.triton.tensors import Array

T = TypeVar("T")

# The client's default of one connection serves concurrent requests one after another.
MAX_CONNECTIONS = 64
MAX_THREADS = 16
MAX_QUESTIONS = 4
# Bytes of one read. The client's default of 4 KiB reads 25 MB in 27 ms, this in 9 ms.
BLOCK_SIZE = 256 * 1024
# What the reading of a contract or of an output raises for an answer of another form.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


class HttpConnection:
    """A Triton's HTTP side.

    Questions about a model have connections of their own, so that a Triton that is busy with
    inference does not look as if it were gone.
    """

    def __init__(self, address: Address, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._inference = _Clients(address, timeouts, MAX_CONNECTIONS, MAX_THREADS)
        self._questions = _Clients(address, timeouts, MAX_QUESTIONS, MAX_QUESTIONS)

    def contract(self, model: str, version: str) -> ModelContract:
        """The model's contract."""
        path, limit = _path(model, version, "config"), self._timeouts.connect
        return self._questions.ask(
            lambda client: contract_from_json(orjson.loads(client.get(path).body)),
            limit,
            Cancellation(),
        )

    def is_model_ready(self, model: str, version: str) -> bool:
        """Whether Triton says so. Raises ApiError when it cannot be asked."""
        path, limit = _path(model, version, "ready"), self._timeouts.connect
        return self._questions.ask(lambda client: client.status(path) == OK, limit, Cancellation())

    def infer(
        self,
        model: str,
        version: str,
        inputs: Mapping[str, tuple[str, Array]],
        output: str,
        request_id: str,
        *,
        deadline: float | None = None,
        cancellation: Cancellation | None = None,
        traceparent: str | None = None,
    ) -> Array:
        """The output of that name, `[B, …]`; BF16 as float32. `inputs` are (datatype, array).

        It must have come by `deadline`, in seconds of the monotonic clock. `traceparent` lets a
        Triton that is traced itself go on with the trace.

        Raises:
            ClientDisconnected: it was cancelled, for whatever reason. Triton may go on with it.
            ApiError: what Triton's answer or silence means.
        """
        path = _path(model, version, "infer")
        body, head_size = infer_body(inputs, output, request_id)
        most = answer_limit(max(array.size for _, array in inputs.values()))

        headers = {HEAD_SIZE: str(head_size)}
        if traceparent is not None:
            headers["traceparent"] = traceparent

        def question(client: _Client) -> Array | None:
            answer = client.post(path, body, headers, most)
            return output_array(answer.body, answer.head_size, output)

        limit = seconds_left(self._timeouts.total, deadline)
        try:
            array = self._inference.ask(question, limit, cancellation or Cancellation())
        except (BackendUnavailable, BackendTimeout):
            seconds_left(self._timeouts.total, deadline)
            raise
        if array is None:
            raise broken_contract(f"output {output} is missing")
        # A type of ml_dtypes, which numpy's own functions do not take for a floating one.
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


class _Client:
    """Triton's HTTP by geventhttpclient; its errors are that library's, and ApiError."""

    def __init__(self, address: Address, timeouts: Timeouts, num_connections: int) -> None:
        scheme = "https" if address.is_secure else "http"
        url = URL(f"{scheme}://{address.host_and_port}")
        # The server's own name, where one of its addresses is connected to.
        names = {"server_hostname": address.host} if address.is_secure else None
        self._base_path = url.request_uri.rstrip("/")
        self._http = HTTPClient.from_url(
            url,
            headers={"Host": address.authority},
            ssl_options=names,
            concurrency=num_connections,
            connection_timeout=timeouts.connect,
            network_timeout=timeouts.first_token,
            block_size=BLOCK_SIZE,
        )

    def status(self, path: str) -> int:
        """The status alone."""
        response = self._request("GET", path)
        response.release()
        return int(response.status_code)

    def get(self, path: str) -> Answer:
        """The answer, if it is no refusal."""
        return accepted(self._request("GET", path), MIN_ANSWER_LIMIT)

    def post(self, path: str, body: bytes, headers: Mapping[str, str], limit: int) -> Answer:
        """The answer, of at most `limit` bytes, if it is no refusal."""
        return accepted(self._request("POST", path, body, headers), limit)

    def _request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Any:
        return self._http.request(method, f"{self._base_path}/{path}", body, headers)


class _Clients:
    """The clients for one address.

    On an event loop one client serves all. Elsewhere the client's sockets belong to the thread
    that opened them, which costs it a loop of its own, so a few threads of ours do the asking.
    """

    def __init__(
        self, address: Address, timeouts: Timeouts, num_connections: int, num_threads: int
    ) -> None:
        self._address = address
        self._timeouts = timeouts
        self._num_connections = num_connections
        self._num_threads = num_threads
        self._lock = threading.Lock()
        self._shared: _Client | None = None
        self._own = threading.local()
        self._threads: ThreadPoolExecutor | None = None

    def ask(self, question: Callable[[_Client], T], limit: float, cancellation: Cancellation) -> T:
        """What `question` gives within `limit` seconds, waiting for a connection included.

        Raises:
            ClientDisconnected: it was cancelled before.
            ApiError: what Triton's answer or silence means.
        """
        started = time.monotonic()
        try:
            return self._answer(question, limit, cancellation)
        except offload.CalledOff:
            raise ClientDisconnected("nobody waits for the answer") from None
        except TimeoutError as error:
            # All raise the same; what took less than an answer may was the connection.
            elapsed = time.monotonic() - started
            if elapsed < min(self._timeouts.first_token, self._timeouts.total):
                raise unreached(f"no connection: {error!r}") from None
            missed = silent if elapsed < self._timeouts.total else timed_out
            raise missed(repr(error)) from None
        except ConnectionRefusedError as error:
            raise unreached(repr(error)) from None
        except (OSError, HTTPConnectionClosed) as error:
            raise broken_connection(repr(error)) from None
        except (HTTPException, *UNREADABLE) as error:
            raise broken_contract(with_port(f"unreadable answer: {error!r}")) from None

    def _answer(
        self, question: Callable[[_Client], T], limit: float, cancellation: Cancellation
    ) -> T:
        if offload.is_event_loop():
            return self._answer_here(question, limit, cancellation)
        with self._lock:
            self._threads = self._threads or ThreadPoolExecutor(self._num_threads)
        future = self._threads.submit(self._answer_here, question, limit, cancellation)
        cancellation.on_cancel(future.cancel)
        try:
            return future.result(limit)
        except CancelledError:
            raise offload.CalledOff from None
        finally:
            cancellation.forget(future.cancel)
            future.cancel()

    def _answer_here(
        self, question: Callable[[_Client], T], limit: float, cancellation: Cancellation
    ) -> T:
        # The client's own timeouts are for each read; an answer that trickles has many.
        with offload.time_limit(limit), _ended_by(cancellation):
            return question(self._client())

    def _client(self) -> _Client:
        if offload.is_event_loop():
            with self._lock:
                self._shared = self._shared or self._open(self._num_connections)
                return self._shared
        if not hasattr(self._own, "client"):
            self._own.client = self._open(1)
        client: _Client = self._own.client
        return client

    def _open(self, num_connections: int) -> _Client:
        return _Client(self._address, self._timeouts, num_connections)


@contextmanager
def _ended_by(cancellation: Cancellation) -> Iterator[None]:
    """What waits inside ends with CalledOff when the request is cancelled."""
    with offload.interruptible() as interrupt:
        cancellation.on_cancel(interrupt)
        try:
            yield
        finally:
            cancellation.forget(interrupt)


def _path(model: str, version: str, question: str) -> str:
    versions = f"/versions/{version}" if version else ""
    return f"v2/models/{quote(model)}{versions}/{question}"
