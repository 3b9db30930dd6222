"""The server as it is meant to run, in front of Tritons that keep what they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.applications import END_ID, language_model, standard_configuration
from tests.applications import write_configuration as write_with_template
from tests.live.http import Server
from tests.live.servers import running
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

MAX_BODY = 100_000
# Not to be met: those that are have a server of their own.
BODY_TIMEOUT, KEEP_ALIVE = 120, 120
# A model of vLLM's backend, in the same Triton, whose answers may be long.
TORRENT = "torrent"


@pytest.fixture(scope="session")
def hostile_configuration(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Path:
    """The standard configuration, and a model whose answers may be long."""
    content = standard_configuration(_triton.address, _http_triton.address)
    content["llm"].append(language_model(_triton.address, name=TORRENT, backend="vllm"))
    content["model_infos"].append({"name": TORRENT, "end_id": END_ID, "max_len": 100_000})
    return write_with_template(tmp_path_factory.mktemp("hostile"), content)


@contextmanager
def limited(
    configuration: Path, log: Path, body_timeout: float, keep_alive: int
) -> Iterator[Server]:
    """gunicorn with one worker and small limits; `keep_alive` is also the limit of a head."""
    limits = {"MAX_BODY_BYTES": str(MAX_BODY), "BODY_TIMEOUT": str(body_timeout)}
    arguments = f"--keep-alive={keep_alive}"
    with running("gunicorn", configuration, log, GUNICORN_CMD_ARGS=arguments, **limits) as server:
        yield server


@contextmanager
def unharmed(server: Server) -> Iterator[None]:
    """Whatever is done to it, the worker lives on and logs no traceback."""
    before = len(server.log_text())
    yield
    assert server.get("/health").status == 200
    told = server.log_text()[before:]
    assert "Traceback" not in told
    assert "Booting worker" not in told


@pytest.fixture(scope="session")
def _hostile_server(
    hostile_configuration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("hostile-server") / "log"
    with limited(hostile_configuration, log, BODY_TIMEOUT, KEEP_ALIVE) as server:
        yield server


@pytest.fixture
def server(
    _hostile_server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> Iterator[Server]:
    """A server with small limits, which is unharmed by every test."""
    with unharmed(_hostile_server):
        yield _hostile_server
