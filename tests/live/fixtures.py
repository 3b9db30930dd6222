"""One real tritonserver for the session, and the application in front of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.counters import Counters, read_counters
from demo.environment import DEMO, ensure_environment
from demo.ports import free_ports
from demo.triton import TritonServer
from demo.variants import write_repository
from tests.live.contracts import write_contracts
from tests.live.entries import entries as all_entries
from tests.live.http import Server
from tests.live.servers import running, write_configuration

# A busy machine starts two dozen models slowly.
START_SECONDS = 300.0


@contextmanager
def started(server: TritonServer) -> Iterator[TritonServer]:
    """A Triton that is ready, however long that takes; it is stopped at the end."""
    try:
        server.start()
        server.wait_until_ready(START_SECONDS)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def demo_environment() -> None:
    """Triton's own environment is installed, and the folder of the MiniLM model is there."""
    ensure_environment(print)


@pytest.fixture(scope="session")
def tritonserver(
    demo_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    """The demo's Triton with every variant of its models, and with other backends' contracts."""
    variants = write_repository(tmp_path_factory.mktemp("variants"))
    contracts = write_contracts(tmp_path_factory.mktemp("contracts"))
    repositories = [DEMO / "repository", variants, contracts]
    log = tmp_path_factory.mktemp("triton") / "log"
    with started(TritonServer(repositories, *free_ports(3), log_file=log)) as server:
        yield server
        assert server.exit_code() is None, f"Triton ended by itself, see {log}"


@pytest.fixture(scope="session")
def entries(tritonserver: TritonServer) -> dict[str, Any]:
    """The sections of a configuration that names every model of the Triton."""
    return all_entries(tritonserver.grpc_url, tritonserver.http_url)


@pytest.fixture(scope="session")
def configuration(entries: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration file of `entries`."""
    return write_configuration(tmp_path_factory.mktemp("configuration") / "models.json", entries)


@pytest.fixture(scope="session")
def gateway(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application as it is meant to run: gunicorn with gevent, one worker."""
    with running("gunicorn", configuration, tmp_path_factory.mktemp("gateway") / "log") as server:
        yield server


@pytest.fixture
def counters(tritonserver: TritonServer) -> Callable[[str], Counters]:
    """Reads a language model's own counters in Triton."""
    return lambda model: read_counters(tritonserver.metrics_url, model)
