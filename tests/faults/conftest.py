"""One Triton with the bench's models for the session, and the gateway in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.ports import free_ports
from demo.triton import TritonServer
from tests.faults.bench.common import Bench
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import (
    SHORT_MODELS,
    WHOLE_MODELS,
    entries,
    model_names,
    proxied_entries,
    soon_entries,
    write_models,
)
from tests.faults.bench.words import Words
from tests.live.servers import write_configuration


@pytest.fixture(scope="session")
def models(
    demo_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Path:
    """The bench's model repository."""
    names = WHOLE_MODELS if pytestconfig.getoption("whole") else SHORT_MODELS
    return write_models(tmp_path_factory.mktemp("bench-models"), names)


@pytest.fixture(scope="session")
def bench_triton(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """A Triton that cases may kill, freeze and stop. Not started yet."""
    log = tmp_path_factory.mktemp("bench-triton") / "log"
    server = TritonServer([models], *free_ports(3), log_file=log)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def proxies(bench_triton: TritonServer) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    """In front of the Triton's gRPC port and of its HTTP port."""
    ports = bench_triton.ports
    with (
        FaultProxy("127.0.0.1", ports["grpc"]) as grpc,
        FaultProxy("127.0.0.1", ports["http"]) as http,
    ):
        yield grpc, http


@pytest.fixture(scope="session")
def bench_gateway(
    bench_triton: TritonServer,
    models: Path,
    proxies: tuple[FaultProxy, FaultProxy],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """The gateway, which is started before its Triton is."""
    folder = tmp_path_factory.mktemp("bench-gateway")
    direct = entries(bench_triton.grpc_url, bench_triton.http_url, model_names(models))
    proxied = proxied_entries(*(proxy.address for proxy in proxies))
    others = (soon_entries(direct), proxied)
    content = {
        kind: [*section, *(entry for other in others for entry in other.get(kind, ()))]
        for kind, section in direct.items()
    }
    path = write_configuration(folder / "models.json", dict(content))
    with Gateway(path, folder / "log").running() as gateway:
        yield gateway


@pytest.fixture
def bench(
    bench_triton: TritonServer,
    bench_gateway: Gateway,
    proxies: tuple[FaultProxy, FaultProxy],
) -> Bench:
    """All of it, well: whatever an earlier case has left is put right first."""
    bench = Bench(bench_triton, bench_gateway, *proxies)
    bench.recover()
    return bench


@pytest.fixture(scope="session")
def words(demo_environment: None) -> Words:
    """What the models answer."""
    return Words()
