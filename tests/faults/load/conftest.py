"""A gateway of its own for the cases of load: places for all, and models with few of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from demo.triton import TritonServer
from tests.faults.bench.common import Bench
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.repository import CHAT_FOLDER, entries, entry
from tests.live.servers import write_configuration

MANY = 2000
FEW = 8
"""`llm-few`: so many places, and as many in its queue, in each worker."""
QUEUE_SECONDS = 0.5
"""How long they wait there."""
LONGEST = 20_000


def load_entries(triton: TritonServer) -> dict[str, list[dict[str, Any]]]:
    """The bench's models, of which `llm` takes all that come and long answers, and `llm-few`."""
    content = entries(triton.grpc_url, triton.http_url)
    url, few = triton.grpc_url, {"max_inflight": FEW, "max_queue": FEW}
    own = {"triton_model": "llm", "max_len": LONGEST}
    content["llm"] = [
        *(each for each in content["llm"] if each["name"] != "llm"),
        entry("llm", url, CHAT_FOLDER, max_inflight=MANY, max_queue=0, **own),
        entry("llm-few", url, CHAT_FOLDER, max_queue_wait=QUEUE_SECONDS, **few, **own),
    ]
    return content


@pytest.fixture(scope="session")
def load_gateway(
    bench_triton: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Two workers with the usual limits of time."""
    folder = tmp_path_factory.mktemp("load-gateway")
    path = write_configuration(folder / "models.json", dict(load_entries(bench_triton)))
    with Gateway(path, folder / "log").running() as gateway:
        yield gateway


@pytest.fixture
def load_bench(bench: Bench, load_gateway: Gateway) -> Bench:
    """The bench with that gateway in front."""
    return replace(bench, gateway=load_gateway)
