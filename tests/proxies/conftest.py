"""A Triton with models that are slow in different ways, the server, and both proxies before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from demo.counters import Counters, read_counters
from demo.environment import DEMO
from demo.ports import LOOPBACK, free_ports
from demo.triton import TritonServer
from demo.variants import VARIANTS, Variant, write_variant
from tests.applications import closed_port
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.proxies.programs import PROXIES, proxied

# The first token comes after more than the time that clients wait who leave before it.
LATE = Variant("ft-late", parameters={"callback_step": "1", "token_delay_ms": "1500"})


@pytest.fixture(scope="session")
def slow_triton(
    demo_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    folder = tmp_path_factory.mktemp("slow-models")
    for variant in (VARIANTS["ft-slow"], LATE):
        write_variant(folder, variant)
    with TritonServer([folder], *free_ports(3)) as server:
        yield server


@pytest.fixture(scope="session")
def slow_counters(slow_triton: TritonServer) -> Callable[[str], Counters]:
    """Reads a model's own counters."""
    return lambda model: read_counters(slow_triton.metrics_url, model)


@pytest.fixture(scope="session")
def proxied_gateway(
    slow_triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server that the proxies stand before."""
    folder = tmp_path_factory.mktemp("proxied")
    path = str(DEMO / "models" / "demo-chat")

    def entry(name: str, **keys: Any) -> dict[str, Any]:
        url = slow_triton.grpc_url
        return {"name": name, "url": url, "path": path, "timeouts": {"connect": 20}, **keys}

    models = [
        entry("ft-slow"),
        entry("ft-late"),
        entry("narrow", triton_model="ft-slow", max_inflight=1, max_queue=0),
        entry("away", url=f"{LOOPBACK}:{closed_port()}", timeouts={"connect": 1}),
    ]
    configuration = write_configuration(folder / "models.json", {"llm": models})
    with running("gunicorn", configuration, folder / "log") as server:
        yield server


@pytest.fixture(scope="session", params=PROXIES)
def proxy(
    request: pytest.FixtureRequest,
    proxied_gateway: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """nginx, and then HAProxy, as deploy/ configures them."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    with proxied(request.param, proxied_gateway.port, folder) as server:
        yield server
