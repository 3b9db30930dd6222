"""nginx and HAProxy, run with the files of deploy/ in front of a server."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.ports import LOOPBACK, free_ports
from tests.live.http import Server
from tests.packages.programs import environment, program

PROJECT = Path(__file__).parents[2]
KIND = "proxies"
DEPLOY = PROJECT / "deploy"
START_SECONDS = 20.0

# Where the packages' nginx would write, if it were installed.
TEMPORARY = "".join(
    f"    {kind}_temp_path {kind};\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


def nginx(folder: Path, text: str) -> list[str]:
    """The command of nginx with a configuration file of this text."""
    path = folder / "nginx.conf"
    path.write_text(text.replace("http {\n", "http {\n" + TEMPORARY, 1))
    # nginx gives up root for a user who may not enter pytest's folders.
    user = "user root;" if os.getuid() == 0 else ""
    also = f"daemon off; pid {folder}/nginx.pid; {user}"
    return [program("nginx", KIND), "-p", str(folder), "-c", str(path), "-e", "stderr", "-g", also]


def haproxy(folder: Path, text: str) -> list[str]:
    """The command of HAProxy with a configuration file of this text."""
    path = folder / "haproxy.cfg"
    path.write_text(text)
    return [program("haproxy", KIND), "-f", str(path)]


PROXIES = {"nginx": ("nginx.conf", nginx), "haproxy": ("haproxy.cfg", haproxy)}


@contextmanager
def proxied(
    kind: str, port: int, folder: Path, edits: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Start a proxy in front of the server on `port`; `edits` replaces texts of its file."""
    name, command = PROXIES[kind]
    (own,) = free_ports(1)
    text = (DEPLOY / name).read_text()
    addresses = {"127.0.0.1:5100": f"{LOOPBACK}:{port}"}
    words = {"listen 8080": "listen ", "listen 443": "listen ", "bind :8080": "bind "}
    listening = {old: f"{word}{LOOPBACK}:{own}" for old, word in words.items()}
    for old, new in {**addresses, **(edits or {}), **listening}.items():
        assert old in text or old in listening, f"{name} has no {old!r}"
        text = text.replace(old, new)
    folder.mkdir()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(folder, text), env=environment(KIND), stdout=output, stderr=output
        )
    try:
        _wait(own, process, log)
        yield Server(LOOPBACK, own, log, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the proxy does not listen:\n{log.read_text()}")
