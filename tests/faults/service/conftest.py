"""A gateway for one case, which may end it as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from demo.triton import TritonServer
from tests.faults.bench.common import Bench
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.processes import has_stub
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import entries
from tests.faults.service.master import until_ready
from tests.live.servers import write_configuration

USED = ("llm", "llm-bad", "embed", "embed-bad", "rerank", "rerank-bad")

Start = Callable[..., AbstractContextManager[Bench]]


@pytest.fixture
def configuration(bench_triton: TritonServer, tmp_path: Path) -> Path:
    """With `llm`, `llm-bad` and encoders, all of them well."""
    if not (bench_triton.is_ready() and all(has_stub(bench_triton.pid, name) for name in USED)):
        bench_triton.stop()
        bench_triton.start()
        bench_triton.wait_until_ready(60)
    sections = entries(bench_triton.grpc_url, bench_triton.http_url)
    content: dict[str, object] = {name: section[:2] for name, section in sections.items()}
    return write_configuration(tmp_path / "models.json", content)


@pytest.fixture
def start(
    configuration: Path,
    bench_triton: TritonServer,
    proxies: tuple[FaultProxy, FaultProxy],
    tmp_path: Path,
) -> Start:
    """Starts the gateway with `environment`, by `prefix`; it is gone at the end."""

    @contextmanager
    def started(
        prefix: Sequence[str] = (), path: Path = configuration, **environment: str
    ) -> Iterator[Bench]:
        gateway = Gateway(path, tmp_path / "log", environment, prefix=prefix)
        with gateway.running():
            until_ready(gateway, time.monotonic())
            yield Bench(bench_triton, gateway, *proxies)

    return started
