"""How each peer is started; the harness pins it, waits until it is ready and asks it.

Every environment is made from requirements/<environment>.txt, see the Makefile.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import litellm_proxy
from benchmarks.places import BENCH, CHAT_FOLDER, ENCODER_FOLDER
from demo.ports import LOOPBACK, free_ports

MAX_MODEL_LEN = 2**20
"""As the gateway is configured: a prompt of a megabyte may have as many tokens."""

VERSION_CODE = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer listens and what it stands on.

    `grpc` is Triton's host:port, `upstream` the URL of the gateway without `/v1`, `folder` is for
    files of its own, `models` are the names that will be asked for.
    """

    port: int
    grpc: str
    upstream: str
    folder: Path
    models: Sequence[str]
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with.

    `command` makes its command line, to be run in the project's folder; it answers GET `ready`
    with 200 once it can be asked. `needs_upstream` says that a gateway stands behind it, whose own
    cost is to be subtracted.
    """

    environment: str
    command: Callable[[Place], list[str]]
    ready: str
    packages: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    needs_upstream: bool = False

    def versions(self) -> dict[str, str]:
        """Of the packages that make the peer. Raises CalledProcessError: not installed."""
        words = [program(self.environment, "python"), "-c", VERSION_CODE, *self.packages]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return dict(zip(self.packages, done.stdout.split(), strict=True))


def program(environment: str, name: str) -> str:
    """A program of an environment."""
    return str(BENCH / environment / "bin" / name)


def _fastapi(flavour: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        words = [program("baseline", "python"), "-m", "benchmarks.peers.fastapi_server"]
        listen = ["--host", LOOPBACK, "--port", str(place.port), "--workers", str(place.workers)]
        model = ["--tokenizer", str(CHAT_FOLDER), "--max-model-len", str(MAX_MODEL_LEN)]
        return [*words, *listen, *model, "--triton", place.grpc, "--json", flavour]

    return command


def _litellm(place: Place) -> list[str]:
    path = place.folder / f"litellm-{place.port}.yaml"
    litellm_proxy.write_configuration(path, place.upstream, place.models)
    words = [program("litellm", "litellm"), "--config", str(path)]
    return [
        *words,
        "--host",
        LOOPBACK,
        "--port",
        str(place.port),
        "--num_workers",
        str(place.workers),
    ]


def _router(place: Place) -> list[str]:
    (metrics,) = free_ports(1)
    words = [program("router", "smg"), "launch", "--backend", "openai", "--policy", "passthrough"]
    listen = ["--host", LOOPBACK, "--port", str(place.port), "--worker-urls", place.upstream]
    quiet = [
        "--log-level",
        "warn",
        "--prometheus-host",
        LOOPBACK,
        "--prometheus-port",
        str(metrics),
    ]
    direct = ["--disable-retries", "--disable-circuit-breaker", "--disable-load-monitoring"]
    return [*words, *listen, *quiet, *direct, "--max-concurrent-requests", "0"]


def _infinity(place: Place) -> list[str]:
    words = [program("infinity", "python"), "-m", "benchmarks.peers.infinity_server"]
    listen = ["--host", LOOPBACK, "--port", str(place.port), "--tokenizer", str(ENCODER_FOLDER)]
    return [*words, *listen, "--models", *place.models]


_BASELINE_PACKAGES = ("fastapi", "uvicorn", "uvloop", "pydantic", "grpcio", "tokenizers")

PEERS: Mapping[str, Peer] = {
    "FastAPI, pydantic": Peer("baseline", _fastapi("pydantic"), "/health", _BASELINE_PACKAGES),
    "FastAPI, orjson": Peer(
        "baseline", _fastapi("orjson"), "/health", (*_BASELINE_PACKAGES, "orjson")
    ),
    "LiteLLM": Peer(
        "litellm",
        _litellm,
        "/health/readiness",
        ("litellm", "uvicorn"),
        litellm_proxy.ENVIRONMENT,
        needs_upstream=True,
    ),
    "Rust router": Peer("router", _router, "/readiness", ("smg",), needs_upstream=True),
    "infinity": Peer(
        "infinity",
        _infinity,
        "/health",
        ("infinity-emb", "fastapi", "uvicorn", "tokenizers"),
        {"DO_NOT_TRACK": "1"},
    ),
}
"""By the names of plans.py."""
