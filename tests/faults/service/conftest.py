"""A gateway for one case, which may end it as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from demo.triton import TritonServer
from tests.faults.bench.common import READY_SECONDS, Bench
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.processes import has_stub
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import entries, model_names
from tests.faults.service.master import until_ready
from tests.live.servers import write_configuration

Start = Callable[..., AbstractContextManager[Bench]]


@pytest.fixture
def configuration(
    bench_triton: TritonServer, models: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> Path:
    """With `llm` and `llm-bad`, and with encoders where a case asks them; all of them well."""
    names = model_names(models)
    if not (bench_triton.is_ready() and all(has_stub(bench_triton.pid, name) for name in names)):
        bench_triton.stop()
        bench_triton.start()
        bench_triton.wait_until_ready(READY_SECONDS)
    sections = entries(bench_triton.grpc_url, bench_triton.http_url, names)
    # Each encoder is a tokenizer more for every worker that starts.
    kinds = sections if pytestconfig.getoption("whole") else ("llm",)
    content: dict[str, object] = {kind: sections[kind][:2] for kind in kinds}
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
