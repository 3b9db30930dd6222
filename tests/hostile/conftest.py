"""The server as it is meant to run, in front of Tritons that keep what they are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.applications import END_ID, language_model, standard_configuration
from tests.applications import write_configuration as write_with_template
from tests.live.http import Server
from tests.live.servers import running
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

MAX_BODY = 100_000
BODY_TIMEOUT = 2.0
# A model of vLLM's backend, in the same Triton, whose answers may be long.
TORRENT = "torrent"


@pytest.fixture(scope="session")
def _hostile_server(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("hostile")
    content = standard_configuration(_triton.address, _http_triton.address)
    content["llm"].append(language_model(_triton.address, name=TORRENT, backend="vllm"))
    content["model_infos"].append({"name": TORRENT, "end_id": END_ID, "max_len": 100_000})
    limits = {"MAX_BODY_BYTES": str(MAX_BODY), "BODY_TIMEOUT": str(BODY_TIMEOUT)}
    path = write_with_template(base, content)
    with running("gunicorn", path, base / "log", **limits) as server:
        yield server


@pytest.fixture
def server(
    _hostile_server: Server, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> Iterator[Server]:
    """gunicorn with one worker, small limits, and the standard configuration.

    Whatever a test does to it, the worker lives on and logs no traceback.
    """
    before = len(_hostile_server.log_text())
    yield _hostile_server
    assert _hostile_server.get("/health").status == 200
    told = _hostile_server.log_text()[before:]
    assert "Traceback" not in told
    assert "Booting worker" not in told
