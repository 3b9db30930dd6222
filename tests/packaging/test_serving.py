"""`serve`, another WSGI host and the demo of the installed package, with a real Triton."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.http import Server
from tests.packaging.installation import Installation
from tests.packaging.test_installed import demo_chat

SECONDS = 300.0
QUESTION = {"messages": [{"role": "user", "content": "What is 7 + 5?"}], "temperature": 0}
# Kept between runs, as a user's cache is: 160 MB are fetched for it.
CACHE = Path(sys.prefix) / "demo-cache"


@pytest.fixture
def configuration(installation: Installation, tritonserver: TritonServer, tmp_path: Path) -> Path:
    """A file of one's own, for the tests' Triton."""
    path = tmp_path / "models.json"
    entry: dict[str, Any] = {**demo_chat(installation), "url": tritonserver.grpc_url}
    path.write_text(json.dumps({"llm": [{**entry, "timeouts": {"connect": 20}}]}))
    return path


@contextmanager
def running(
    installation: Installation, port: int, log: Path, *command: str, **variables: str
) -> Iterator[Server]:
    """A program of the installation, once it is ready on its port; it must end when it is told."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [installation.program(command[0]), *command[1:]],
            cwd=installation.folder,
            env=installation.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server("127.0.0.1", port, log, process.pid)
    try:
        wait_until_ready(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_until_ready(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, server.log_text()
        try:
            if server.get("/readyz").status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise AssertionError(server.log_text())


def check_answers(server: Server, model: str) -> None:
    answer = server.post("/v1/chat/completions", {"model": model, **QUESTION})
    assert answer.status == 200, answer.body
    assert "12" in answer.json()["choices"][0]["message"]["content"]


def check_pages(server: Server) -> None:
    for path in ("/", "/playground/app.js", "/docs", "/docs/swagger-ui-bundle.js"):
        assert server.get(path).status == 200, path
    assert server.get("/openapi.json").json()["openapi"].startswith("3.1")


def test_serve(installation: Installation, configuration: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    options = ("--port", str(port), "--workers", "1", "--config-file", str(configuration))
    command = ("openai-api", "serve", *options)
    with running(installation, port, tmp_path / "log", *command) as server:
        assert server.post("/v1/chat/completions", {"model": "mine", **QUESTION}).status == 200
        check_pages(server)


def test_another_wsgi_host(installation: Installation, configuration: Path, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = ("python", "-P", "-m", "waitress", f"--listen=127.0.0.1:{port}", "app.wsgi:app")
    variables = {"CONFIG_FILE": str(configuration)}
    with running(installation, port, tmp_path / "log", *command, **variables) as server:
        assert server.post("/v1/chat/completions", {"model": "mine", **QUESTION}).status == 200
        check_pages(server)


def test_the_demo(installation: Installation, tmp_path: Path) -> None:
    port, *triton_ports = free_ports(4)
    before = files(installation)
    ports = ("--port", str(port), "--triton-ports", ",".join(map(str, triton_ports)))
    command = ("openai-api", "demo", "--workers", "1", *ports)
    with running(
        installation, port, tmp_path / "log", *command, XDG_CACHE_HOME=str(CACHE)
    ) as server:
        check_answers(server, "demo-chat")
        check_pages(server)
        vector = server.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": "one"})
        assert len(vector.json()["data"][0]["embedding"]) == 384
    # Not even the environment of its Triton, which is in the cache.
    assert files(installation) == before


def files(installation: Installation) -> set[Path]:
    """What the package's folder holds, but for what Python compiles."""
    found = (installation.site_packages / "app").rglob("*")
    return {path for path in found if "__pycache__" not in path.parts}
