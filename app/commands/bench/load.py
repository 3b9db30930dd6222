"""Many requests, some of them at a time: a thread and a connection for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from app.client.connection import Connection
from app.commands.bench.requests import Measured, Requests, measure

# Seconds after which the main thread looks up, so that Ctrl-C is seen.
TICK = 0.1


class Load:
    """Sends `num_requests`, at most `concurrency` of them open at a time."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        requests: Requests,
        num_requests: int,
        concurrency: int,
    ) -> None:
        self._requests = requests
        self._num_requests = num_requests
        self._next = 0
        self._lock = threading.Lock()
        self._done: SimpleQueue[Measured] = SimpleQueue()
        self._connections = [connect() for _ in range(min(concurrency, num_requests))]
        self._is_stopped = False
        self.seconds = 0.0
        self.cpu_share = 0.0
        self.was_interrupted = False
        self.results: list[Measured] = []

    def run(self, on_result: Callable[[Measured], None]) -> None:
        """Until all are answered or somebody presses Ctrl-C; `results` has those that ended."""
        started, cpu = time.perf_counter(), time.process_time()
        threads = [
            threading.Thread(target=self._work, args=(connection,), daemon=True)
            for connection in self._connections
        ]
        try:
            for thread in threads:
                thread.start()
            self._collect(on_result)
        except KeyboardInterrupt:
            self.was_interrupted = True
        finally:
            self.seconds = time.perf_counter() - started
            self.cpu_share = (time.process_time() - cpu) / max(self.seconds, 1e-9)
            self._stop()

    def _collect(self, on_result: Callable[[Measured], None]) -> None:
        while len(self.results) < self._num_requests:
            try:
                measured = self._done.get(timeout=TICK)
            except Empty:
                continue
            self.results.append(measured)
            on_result(measured)

    def _stop(self) -> None:
        """Those that are open end with their connections, which cancels them on the server."""
        self._is_stopped = True
        for connection in self._connections:
            connection.close()

    def _work(self, connection: Connection) -> None:
        while (number := self._take()) is not None:
            try:
                measured = measure(self._requests, connection, number)
            except Exception as error:  # a thread that dies in silence would be waited for
                measured = Measured("failure of this client", repr(error))
            if not self._is_stopped:
                self._done.put(measured)

    def _take(self) -> int | None:
        with self._lock:
            if self._is_stopped or self._next == self._num_requests:
                return None
            self._next += 1
            return self._next
