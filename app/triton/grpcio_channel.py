"""The same calls by way of grpcio's own client: slower, to compare with and to fall back on."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc

from app import offload
from app.triton.grpc_client.call import MAX_MESSAGE_BYTES, CallEnded
from app.triton.grpc_client.status import Status

log = logging.getLogger(__name__)

MAX_WAITING = 64
OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # gRPC's own back-off grows to two minutes; a restarted Triton is ready within seconds. The
    # option min_reconnect_backoff_ms would limit each attempt too, and a busy Triton greets late.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 5000),
    # A sub-channel shared with other channels would share their back-off too.
    ("grpc.use_local_subchannel_pool", 1),
)


class GrpcioChannel:
    """Calls to `host:port`; the channel is opened when it is first used."""

    def __init__(self, host_and_port: str, *, is_secure: bool, authority: str = "") -> None:
        self._target = host_and_port
        self._options: list[tuple[str, int | str]] = list(OPTIONS)
        if authority:
            name = authority.rpartition(":")[0]
            self._options += [
                ("grpc.default_authority", authority),
                ("grpc.ssl_target_name_override", name),
            ]
        self._is_secure = is_secure
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None

    def start(
        self,
        path: str,
        message: bytes,
        timeout: float,
        connect_timeout: float,
        traceparent: str | None = None,
    ) -> GrpcioCall:
        """Send one message on a call of its own. gRPC limits the connecting by itself."""
        metadata = None if traceparent is None else (("traceparent", traceparent),)
        ask = self._opened().unary_stream(path)
        return GrpcioCall(ask(message, timeout=timeout, metadata=metadata))

    def ask(self, path: str, message: bytes, timeout: float) -> bytes:
        """The only answer to a call.

        Raises:
            CallEnded: by the server's status, or DEADLINE_EXCEEDED.
        """
        try:
            answer: bytes = self._opened().unary_unary(path)(message, timeout=timeout)
        except grpc.RpcError as error:
            raise CallEnded(_status(error)) from None
        return answer

    def _opened(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                self._channel = self._open()
            return self._channel

    def _open(self) -> grpc.Channel:
        if offload.is_event_loop():
            # Without it gRPC's waiting stops the whole worker; it must come before any channel.
            from grpc.experimental import gevent

            gevent.init_gevent()
        if self._is_secure:
            credentials = grpc.ssl_channel_credentials()
            return grpc.secure_channel(self._target, credentials, options=self._options)
        return grpc.insecure_channel(self._target, options=self._options)


class GrpcioCall:
    """A call with a reader of its own, so that waiting for an answer can have a limit.

    The reader stops fetching while 64 answers wait, which lets gRPC hold the sender back.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._status: Status | None = None
        self._is_woken = False
        self._is_discarding = False
        self._callbacks: list[Callable[[], None]] = []
        try:
            threading.Thread(target=self._fetch, name="triton-stream", daemon=True).start()
        except RuntimeError:
            # Out of threads: nobody would ever end the call.
            call.cancel()
            raise

    def num_waiting(self) -> int:
        """How many messages can be taken without waiting."""
        return len(self._waiting)

    def has_waiting(self) -> bool:
        """Whether `take` would return or raise at once."""
        return bool(self._waiting) or self._status is not None

    def take(self, until: float) -> bytes | None:
        """The next message; None when the monotonic clock says `until`, or on `wake`.

        Raises:
            CallEnded: there are no more.
        """
        with self._changed:
            while not self._waiting and not self._status and not self._is_woken:
                remaining = until - time.monotonic()
                if remaining <= 0:
                    return None
                self._changed.wait(remaining)
            self._is_woken = False
            if self._waiting:
                self._changed.notify_all()
                return self._waiting.popleft()
            if self._status:
                raise CallEnded(self._status)
        return None

    def wake(self) -> None:
        """Let a waiting `take` return."""
        with self._changed:
            self._is_woken = True
            self._changed.notify_all()

    def cancel(self) -> None:
        """End the call; the server is told."""
        self.discard()
        self._call.cancel()

    def discard(self) -> None:
        """Drop what waits and what still comes; the call goes on to its end."""
        with self._changed:
            self._is_discarding = True
            self._waiting.clear()
            self._changed.notify_all()

    def suspect(self) -> None:
        """gRPC looks after its connections itself."""

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the server has done with this call, or at once if it has."""
        with self._changed:
            if self._status is None:
                self._callbacks.append(callback)
                return
        callback()

    def _fetch(self) -> None:
        status = Status("OK")
        try:
            for message in self._call:
                self._put(message)
        except grpc.RpcError as failure:
            status = _status(failure)
        except Exception as failure:  # the waiting taker must learn of whatever stopped this
            log.exception("reading from Triton failed")
            status = Status("INTERNAL", repr(failure))
        with self._changed:
            self._status = status
            callbacks, self._callbacks = self._callbacks, []
            self._changed.notify_all()
        for callback in callbacks:
            callback()

    def _put(self, message: bytes) -> None:
        with self._changed:
            while len(self._waiting) >= MAX_WAITING and not self._is_discarding:
                self._changed.wait()
            if not self._is_discarding:
                self._waiting.append(message)
                self._changed.notify_all()


def _status(failure: Any) -> Status:
    return Status(failure.code().name, failure.details() or "")
