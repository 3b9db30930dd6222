"""Calls that keep what came back and when, one by one or many at once, in threads.

outcome = ask(server, completion(prompt, 9, Script(delay_ms=50)))
outcomes = ask_all(server, [...])             # all at the same time, joined
streams = Streams(server, [...])              # they go on while the case breaks something
streams.wait_for_words(1); ...; outcomes = streams.join()
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.bench.script import Script
from tests.live.http import JSON_HEADERS, Server
from tests.live.waiting import wait_until

COMPLETIONS = "/v1/completions"
SECONDS = 120.0
BLOCK = 65536
MOST_OPEN = 100
Body = dict[str, Any]


@dataclass
class Outcome:
    """What became of one call. Times are `time.monotonic()`, None for what never happened."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    text: str = ""
    error: dict[str, Any] | None = None
    finish_reason: str | None = None
    num_words: int = 0
    num_comments: int = 0
    is_stream: bool = False
    is_done: bool = False
    failure: str | None = None
    started_at: float = 0.0
    first_at: float | None = None
    last_at: float | None = None
    ended_at: float = 0.0

    @property
    def kind(self) -> str:
        """How it ended.

        - complete: 200 and the whole answer, a stream with its [DONE]
        - error: a status with an error object
        - frame: an error event behind status 200, and nothing behind it
        - cut: the connection broke, which a client notices
        - silent: a stream that ends cleanly without [DONE] or error, which no client notices
        - odd: anything else, as an error that is no JSON
        """
        if self.failure is not None:
            return "cut"
        if self.status != 200:
            return "error" if self.error else "odd"
        if self.error is not None:
            return "odd" if self.is_done or self.finish_reason else "frame"
        if self.is_stream and not self.is_done:
            return "silent"
        return "complete"

    @property
    def code(self) -> str | None:
        """The error's code."""
        return None if self.error is None else self.error["code"]

    @property
    def seconds(self) -> float:
        """From the request to the end."""
        return self.ended_at - self.started_at


def completion(
    prompt: str, num_words: int, script: Script | None = None, model: str = "llm", **fields: Any
) -> Body:
    """The body of a completion of so many tokens."""
    seed = (script or Script()).seed
    body = {"model": model, "prompt": prompt, "max_tokens": num_words, "seed": seed}
    return {**body, "temperature": 0, **fields}


def streamed(*arguments: Any, **fields: Any) -> Body:
    """The body of a streamed completion."""
    return completion(*arguments, stream=True, **fields)


def ask(server: Server, body: Body, path: str = COMPLETIONS) -> Outcome:
    """One call to its end. Never raises what the network does: the outcome has it."""
    outcome = Outcome()
    _Call(server, path, body, outcome, threading.Event()).run()
    return outcome


def ask_all(server: Server, bodies: Sequence[Body], path: str = COMPLETIONS) -> list[Outcome]:
    """All at the same time."""
    return Streams(server, bodies, path).join()


class Streams:
    """Calls that go on in threads."""

    def __init__(self, server: Server, bodies: Sequence[Body], path: str = COMPLETIONS) -> None:
        self.outcomes = [Outcome() for _ in bodies]
        self._is_left = threading.Event()
        calls = [
            _Call(server, path, body, outcome, self._is_left)
            for body, outcome in zip(bodies, self.outcomes, strict=True)
        ]
        self._threads = [threading.Thread(target=call.run, daemon=True) for call in calls]
        for thread in self._threads:
            thread.start()

    def wait_for_words(self, count: int, seconds: float = 60.0) -> None:
        """Until each has that many pieces of text."""
        what = f"{count} words of each stream"
        self.wait_for(lambda outcome: outcome.num_words >= count, what, seconds)

    def wait_for(self, is_true: Callable[[Outcome], bool], what: str, seconds: float) -> None:
        """Until it is true of each."""
        wait_until(lambda: all(map(is_true, self.outcomes)), what, seconds)

    def leave(self) -> None:
        """Close the sockets of those that are reading a stream, at their next line."""
        self._is_left.set()

    def join(self, seconds: float = SECONDS) -> list[Outcome]:
        """The outcomes, once all have ended."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        hanging = sum(thread.is_alive() for thread in self._threads)
        assert not hanging, f"{hanging} of {len(self._threads)} calls hang after {seconds:g} s"
        return self.outcomes


class Traffic:
    """A call each `interval` seconds, whatever becomes of those before, as long as it is entered.

    More than `MOST_OPEN` are never open.

    with Traffic(server, body, interval=0.1) as traffic: ...
    traffic.outcomes()
    """

    def __init__(
        self, server: Server, body: Body, path: str = COMPLETIONS, *, interval: float
    ) -> None:
        self._server, self._body, self._path = server, body, path
        self._interval = interval
        self._calls: list[Streams] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def statuses(self) -> list[int | None]:
        """Of the calls so far, None for those that are not answered."""
        return [call.outcomes[0].status for call in self._calls]

    def outcomes(self, seconds: float = SECONDS) -> list[Outcome]:
        """Of all calls, once all have ended."""
        return [outcome for call in self._calls for outcome in call.join(seconds)]

    def _run(self) -> None:
        while not self._is_over.wait(self._interval):
            # A machine that is slow for so many must not refuse those that pile up.
            if sum(not call.outcomes[0].ended_at for call in self._calls) < MOST_OPEN:
                self._calls.append(Streams(self._server, [self._body], self._path))


def kinds(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many ended how."""
    found = [each.kind for each in outcomes]
    return {kind: found.count(kind) for kind in sorted(set(found))}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them is."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class _Call:
    def __init__(
        self, server: Server, path: str, body: Body, outcome: Outcome, is_left: threading.Event
    ) -> None:
        self._server = server
        self._path = path
        self._body = body
        self._outcome = outcome
        self._is_left = is_left
        outcome.is_stream = bool(body.get("stream"))
        outcome.started_at = time.monotonic()

    def run(self) -> None:
        connection = http.client.HTTPConnection(
            self._server.host, self._server.port, timeout=SECONDS
        )
        try:
            self._exchange(connection)
        except (OSError, http.client.HTTPException) as error:
            self._outcome.failure = f"{type(error).__name__}: {error}"
        finally:
            self._outcome.ended_at = time.monotonic()
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.request("POST", self._path, json.dumps(self._body).encode(), JSON_HEADERS)
        response = connection.getresponse()
        self._outcome.status = response.status
        self._outcome.headers = {key.lower(): value for key, value in response.getheaders()}
        if "text/event-stream" in self._outcome.headers.get("content-type", ""):
            self._read_events(response)
        else:
            self._read_whole(response)

    def _read_whole(self, response: http.client.HTTPResponse) -> None:
        self._outcome.body = response.read()
        try:
            content = json.loads(self._outcome.body)
        except ValueError:
            return
        self._outcome.error = content.get("error")
        for choice in content.get("choices", ()):
            self._outcome.text += choice["text"]
            self._outcome.finish_reason = choice["finish_reason"]

    def _read_events(self, response: http.client.HTTPResponse) -> None:
        for line in _lines(response):
            if self._is_left.is_set():
                response.close()
                return
            self._outcome.body += line + b"\n"
            if line.startswith(b":"):
                self._outcome.num_comments += 1
            elif line.startswith(b"data: "):
                self._read_event(line.removeprefix(b"data: ").strip())

    def _read_event(self, data: bytes) -> None:
        outcome, now = self._outcome, time.monotonic()
        if data == b"[DONE]":
            outcome.is_done = True
            return
        content = json.loads(data)
        outcome.error = content.get("error", outcome.error)
        for choice in content.get("choices", ()):
            outcome.finish_reason = choice["finish_reason"] or outcome.finish_reason
            if choice["text"]:
                outcome.text += choice["text"]
                outcome.num_words += 1
                outcome.first_at, outcome.last_at = outcome.first_at or now, now


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Line by line as they come; http.client's own readline() takes a broken chunk for the end."""
    rest = b""
    while block := response.read1(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest
