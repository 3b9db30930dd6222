"""A Triton and a gateway of their own for the cases of load."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.ports import free_ports
from demo.triton import TritonServer
from tests.faults.bench.client import completion
from tests.faults.bench.common import READY_SECONDS, Bench, until_well
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.processes import has_open, has_stub
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import (
    CHAT_FOLDER,
    MINILM_FOLDER,
    SOON,
    TIMEOUTS,
    entry,
    model_names,
    write_models,
)
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until

PROGRAMS = Path(__file__).parent / "models"
SERVED = ("llm", "text-bad")
SERVED_WHOLE = ("llm", "llm-bad", "text-bad", "embed", "rerank")
PATIENT = {"llm": "fastertransformer", "llm-bad": "fastertransformer", "text-bad": "text"}
"""The programs in `models` that stand in for the bench's."""
MANY = 2000
FEW = 8
"""Places of `llm-few` in each worker, and of its queue."""
QUEUE_SECONDS = 0.5
"""How long a request waits there."""
LOOKED = "gauge_livemin"
"""The metrics of a look at Triton are the only ones of this kind."""
LONGEST = 20_000
"""Tokens of an answer; the folder of the demo's model says less."""


@pytest.fixture(scope="session")
def load_models(
    demo_environment: None,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Path:
    """A repository with `SERVED` alone, of which the language models have patience."""
    names = SERVED_WHOLE if pytestconfig.getoption("whole") else SERVED
    folder = write_models(tmp_path_factory.mktemp("load-models"), names)
    for name in PATIENT.keys() & set(names):
        (folder / name / "1" / "model.py").unlink()
        (folder / name / "1" / "model.py").symlink_to(PROGRAMS / f"{PATIENT[name]}.py")
    return folder


@pytest.fixture(scope="session")
def load_triton(
    load_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    """A Triton with these."""
    log = tmp_path_factory.mktemp("load-triton") / "log"
    server = TritonServer([load_models], *free_ports(3), log_file=log)
    try:
        server.start()
        server.wait_until_ready(READY_SECONDS)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def load_proxies(load_triton: TritonServer) -> Iterator[tuple[FaultProxy, FaultProxy]]:
    """In front of its gRPC port and of its HTTP port."""
    ports = load_triton.ports
    with (
        FaultProxy("127.0.0.1", ports["grpc"]) as grpc,
        FaultProxy("127.0.0.1", ports["http"]) as http,
    ):
        yield grpc, http


@pytest.fixture(scope="session")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the demo's model for answers of up to `LONGEST` tokens."""
    folder = tmp_path_factory.mktemp("load-folder") / "model"
    shutil.copytree(CHAT_FOLDER, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    path = folder / "config.json"
    content = json.loads(path.read_text()) | {"max_position_embeddings": LONGEST}
    path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def load_configuration(
    load_triton: TritonServer,
    load_models: Path,
    load_proxies: tuple[FaultProxy, FaultProxy],
    long_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """`llm` has places for all, `llm-few` for few; `llm-proxied` is reached through the proxy."""
    triton, (grpc, _) = load_triton, load_proxies
    is_whole = set(model_names(load_models)) == set(SERVED_WHOLE)
    # The soak breaks Triton, and waits for the limits.
    limits = {"timeouts": SOON if is_whole else TIMEOUTS}
    many = {"triton_model": "llm", "max_inflight": MANY, "max_queue": 0, **limits}
    few = {"triton_model": "llm", "max_inflight": FEW, "max_queue": FEW, **limits}
    language = [
        entry("llm", triton.grpc_url, long_folder, **many),
        entry("llm-few", triton.grpc_url, long_folder, max_queue_wait=QUEUE_SECONDS, **few),
        entry("text-bad", triton.grpc_url, long_folder, backend="vllm", **limits),
    ]
    content: dict[str, object] = {"llm": language}
    if is_whole:
        language.append(entry("llm-proxied", grpc.address, long_folder, **many))
        language.append(entry("llm-bad", triton.grpc_url, long_folder, **limits))
        for kind, name in (("embedding", "embed"), ("rerank", "rerank")):
            content[kind] = [entry(name, triton.http_url, MINILM_FOLDER, **limits)]
    return write_configuration(tmp_path_factory.mktemp("load") / "models.json", content)


@pytest.fixture(scope="session")
def load_gateway(
    load_configuration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """Two workers, each of which has looked once at all Tritons.

    Connections that such a look opens, and the file of its metrics, are not the load's.
    """
    log = tmp_path_factory.mktemp("load-gateway") / "log"
    with Gateway(load_configuration, log).running() as gateway:
        wait_until(
            lambda: all(has_open(pid, LOOKED) for pid in gateway.worker_pids), "the first looks"
        )
        yield gateway


@pytest.fixture
def load(
    load_triton: TritonServer,
    load_models: Path,
    load_gateway: Gateway,
    load_proxies: tuple[FaultProxy, FaultProxy],
) -> Bench:
    """All of it, at rest."""
    bench = Bench(load_triton, load_gateway, *load_proxies)
    names = model_names(load_models)
    if not (load_triton.is_ready() and all(has_stub(load_triton.pid, name) for name in names)):
        load_triton.stop()
        bench.restart_triton()
    wait_until(lambda: not load_gateway.num_running(), "that nothing runs")
    # What each worker does once, as asking for a model's contract, is not the load's.
    for model in ("llm", "llm-few", "text-bad"):
        call = completion("is it well", 3, model=model)
        assert until_well(load_gateway.server, time.monotonic(), call) < math.inf, model
    return bench
