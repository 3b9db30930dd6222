"""A TCP proxy that breaks connections on request, with threads and the standard library only.

    with FaultProxy("127.0.0.1", triton_port) as proxy:
        ...                                    # clients connect to proxy.address
        proxy.down = Fault(limit=100, then="rst")    # from the server to the clients
        proxy.up = Fault(is_swallowed=True)          # from the clients to the server
        proxy.heal()

A fault applies to the connections that are open and to those to come. It starts with the next
block of bytes. `proxy.tally` counts what was done.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

from tests.faults.bench.faults import BLOCK, NOTHING, Fault, FaultyFlow, Limited, Tally

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 60.0
POLL_SECONDS = 0.02
"""How soon a thread that waits for bytes sees that its connection is to end."""
# SO_LINGER with no time: closing sends RST.
LINGER_NOT = struct.pack("ii", 1, 0)


class FaultProxy:
    """Listens on a port of its own as long as it is entered."""

    def __init__(self, host: str, port: int, *, listen: str = LOOPBACK) -> None:
        """The server's address, which need not listen yet, and the address to listen on."""
        self._target = (host, port)
        self._host = listen
        self._listener: socket.socket | None = None
        self._links: set[_Link] = set()
        self._lock = threading.Lock()
        self.port = 0
        self.up = NOTHING
        self.down = NOTHING
        self.tally = Tally()

    @property
    def address(self) -> str:
        """What clients connect to."""
        return f"{self._host}:{self.port}"

    def __enter__(self) -> FaultProxy:
        self.accept()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()

    def heal(self) -> None:
        """No more faults. Connections that were swallowed from stay broken: they are reset."""
        broken = self.up.is_swallowed or self.down.is_swallowed
        self.up = self.down = NOTHING
        if broken:
            self.cut("rst")
        self.accept()

    def accept(self) -> None:
        """Listen, on the same port as before."""
        if self._listener is not None:
            return
        self._listener = socket.create_server((self._host, self.port), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """End what is open with RST, and let the kernel refuse new connections."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone would leave the thread in accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut("rst")

    def blackhole(self) -> None:
        """Accept and swallow, both ways, and on the open connections too."""
        self.up = self.down = Fault(is_swallowed=True)

    def cut(self, how: str = "rst") -> int:
        """End the open connections with "rst" or "fin"; gives their number."""
        links = self._open_links()
        for link in links:
            link.end(how)
        self.tally.add(how, len(links))
        return len(links)

    def half_open(self) -> int:
        """The server's side is gone, and the clients are not told; gives the number."""
        links = self._open_links()
        for link in links:
            link.lose_server()
        self.tally.add("half_open", len(links))
        return len(links)

    @property
    def num_open(self) -> int:
        """Connections that neither side has ended."""
        return len(self._open_links())

    def forget(self, link: _Link) -> None:
        """Called by a connection that has ended."""
        with self._lock:
            self._links.discard(link)

    def _open_links(self) -> list[_Link]:
        with self._lock:
            return list(self._links)

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.tally.add("connections")
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, CONNECT_SECONDS)
        except OSError:
            self.tally.add("unreachable")
            _end(client, "rst")
            return
        for sock in (client, server):
            sock.settimeout(POLL_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(self, client, server)
        with self._lock:
            self._links.add(link)
        link.start()


class _Link:
    """One client's connection and its counterpart to the server.

    Each direction has a thread, and only these threads close the sockets: the kernel sends no RST
    as long as another thread waits for the socket.
    """

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._ended_by: str | None = None
        self._is_lost = False
        self._num_pumps = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        for is_up in (True, False):
            threading.Thread(target=self._pump, args=(is_up,), daemon=True).start()

    def end(self, how: str) -> None:
        """Both sides, within `POLL_SECONDS`."""
        self._ended_by = how
        self._proxy.forget(self)

    def lose_server(self) -> None:
        """The server is told that the client is gone, and the client nothing."""
        self._is_lost = True

    def _pump(self, is_up: bool) -> None:
        source, target = (self._client, self._server)[:: 1 if is_up else -1]
        try:
            self._copy(source, target, is_up)
            self._pass_end(target, "fin", is_up)
        except Limited as limited:
            self._limit(limited.then)
        except OSError:
            self._pass_end(target, "rst", is_up)
        finally:
            self._leave(is_up)

    def _copy(self, source: socket.socket, target: socket.socket, is_up: bool) -> None:
        """Until the source ends. Raises `Limited`, and OSError when one of the two is broken."""
        flow = FaultyFlow(self._fault(is_up), self._proxy.tally)
        while self._ended_by is None and (is_up or not self._is_lost):
            try:
                block = source.recv(BLOCK)
            except TimeoutError:
                continue
            if not block:
                return
            if self._fault(is_up) is not flow.fault:
                flow = FaultyFlow(self._fault(is_up), self._proxy.tally)
            for piece in flow.pieces(block):
                self._send(target, piece)

    def _send(self, target: socket.socket, piece: bytes) -> None:
        while piece and self._ended_by is None and not self._is_lost:
            with contextlib.suppress(TimeoutError):
                piece = piece[target.send(piece) :]

    def _fault(self, is_up: bool) -> Fault:
        return self._proxy.up if is_up else self._proxy.down

    def _limit(self, then: str) -> None:
        if then != "hang":
            self.end(then)
        # Nothing is read any more, so that in the end the sender's buffers are full, too.
        while self._ended_by is None:
            time.sleep(POLL_SECONDS)

    def _pass_end(self, target: socket.socket, how: str, is_up: bool) -> None:
        """Tell the one side that the other has ended, unless that is what is withheld."""
        fault = self._fault(is_up)
        if fault.close_delay:
            self._proxy.tally.add("slow_close")
            time.sleep(fault.close_delay)
        if self._is_lost or fault.is_swallowed or self._ended_by is not None:
            return
        if how == "rst":
            self.end("rst")
            return
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _leave(self, is_up: bool) -> None:
        """Close what no thread needs any more."""
        if self._is_lost and not is_up:
            _end(self._server, "rst")
        with self._lock:
            self._num_pumps -= 1
            if self._num_pumps:
                return
        self._proxy.forget(self)
        for sock in (self._client, self._server):
            _end(sock, self._ended_by or "fin")


def _end(sock: socket.socket, how: str) -> None:
    with contextlib.suppress(OSError):
        if how == "rst":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        else:
            sock.shutdown(socket.SHUT_RDWR)
    sock.close()
