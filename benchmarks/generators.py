"""Who sends a load: the HTTP generator to servers, or a client that needs no server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.fleet import Ground
from benchmarks.loads import Chat, Load
from benchmarks.places import BENCH, ENCODER_FOLDER, PROGRAMS
from benchmarks.plans import BARE, BARE_ENCODER, BARE_UVLOOP, CEILING
from benchmarks.processes import Command
from demo.ports import LOOPBACK

PEER_PYTHON = BENCH / "baseline" / "bin" / "python"
"""The interpreter of the bare clients: it has grpcio, tritonclient, tokenizers and uvloop."""


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a load is sent: so many requests, or as many as go into so many seconds."""

    requests: int | None = None
    seconds: float | None = None

    def options(self) -> list[str]:
        """As every generator takes it."""
        if self.requests is not None:
            return ["--requests", str(self.requests)]
        return ["--seconds", str(self.seconds)]


def http_load(load: Load, port: int, amount: Amount, ground: Ground) -> Command:
    """The C generator, on the load's core."""
    options = [
        "--url",
        f"http://{LOOPBACK}:{port}{load.path}",
        "--body",
        str(body_file(load, ground)),
    ]
    options += ["--connections", str(load.connections), "--ramp", str(load.ramp)]
    stream = ["--stream"] if load.is_streamed else []
    words = [str(PROGRAMS / "http_load"), *options, *stream, *amount.options()]
    return Command(words, ground.cores.load)


def body_file(load: Load, ground: Ground) -> Path:
    """The file with the request's body; the same body is the same file."""
    content = load.encoded
    path = ground.folder / f"body-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if not path.exists():
        path.write_bytes(content)
    return path


def _streams(load: Load) -> list[str]:
    if not isinstance(load, Chat):
        raise BenchmarkError("Only chats can be asked of a client of token streams.")
    options = ["--model", load.model, "--connections", str(load.connections)]
    lengths = ["--prompt-tokens", str(load.num_prompt_tokens), "--max-tokens", str(load.max_tokens)]
    return [*options, *lengths]


def _bare(*more: str) -> Callable[[Load, Ground], list[str]]:
    def words(load: Load, ground: Ground) -> list[str]:
        program = [str(PEER_PYTHON), "-m", "benchmarks.peers.bare_client", *more]
        ramp = ["--ramp", str(load.ramp)]
        return [*program, "--target", ground.backend.grpc, *ramp, *_streams(load)]

    return words


def _drain(load: Load, ground: Ground) -> list[str]:
    return [str(PROGRAMS / "grpc_drain"), "--target", ground.backend.grpc, *_streams(load)]


def _bare_encoder(load: Load, ground: Ground) -> list[str]:
    program = [str(PEER_PYTHON), "-m", "benchmarks.peers.bare_embeddings"]
    if ground.backend.http is None:
        raise BenchmarkError("This backend has no encoders.")
    options = ["--target", ground.backend.http, "--tokenizer", str(ENCODER_FOLDER)]
    body = ["--body", str(body_file(load, ground)), "--connections", str(load.connections)]
    return [*program, *options, *body]


CLIENTS: Mapping[str, Callable[[Load, Ground], list[str]]] = {
    BARE: _bare(),
    BARE_UVLOOP: _bare("--uvloop"),
    BARE_ENCODER: _bare_encoder,
    CEILING: _drain,
}


def client(name: str, load: Load, amount: Amount, ground: Ground) -> Command:
    """A client without a server, on the core that a server would have.

    Its seconds begin with its first stream, those of http_load when all have started.
    """
    words: Sequence[str] = CLIENTS[name](load, ground)
    if amount.seconds is not None:
        amount = Amount(seconds=load.ramp + amount.seconds)
    return Command([*words, *amount.options()], ground.cores.server(1))
