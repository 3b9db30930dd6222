"""A gateway whose models fail, for the tests of clients that meet failures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.applications import write_configuration
from tests.clients.failing import PROGRAMS, configuration, play
from tests.live.http import Server
from tests.live.servers import running
from tests.scripted_triton import ScriptedTriton


@pytest.fixture(scope="package")
def failing_triton() -> Iterator[ScriptedTriton]:
    """The Triton of those models, but for the one that is away."""
    triton = ScriptedTriton()
    triton.script = play
    yield triton
    triton.stop()


@pytest.fixture(scope="package")
def failing_server(
    failing_triton: ScriptedTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The application with every failing model for curl and for each program."""
    folder = tmp_path_factory.mktemp("failing")
    path = write_configuration(folder, configuration(failing_triton, ["curl", *PROGRAMS]))
    with running("gunicorn", path, folder / "log") as server:
        yield server
