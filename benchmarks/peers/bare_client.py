"""The limit: a grpc.aio client that reads FasterTransformer's streams, and no HTTP side at all.

    python -m benchmarks.peers.bare_client --target 127.0.0.1:8001 --model ft --connections 64 \
        --prompt-tokens 32 --max-tokens 512 --requests 256

It parses every message and reads its new ids, no more: no text, no stop strings, no JSON. Prints
one JSON object, see figures.py.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import uvloop

from benchmarks.peers.fastertransformer import (
    ModelError,
    NewIds,
    Prompt,
    infer_request,
    open_channel,
    open_stub,
)
from benchmarks.peers.figures import Figures

FIRST_ID, NUM_IDS = 16, 64
"""The prompt's ids, plain words in the demo's vocabulary."""

END_ID = 2
"""demo-chat's <|im_end|>; the mock fills with it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What each connection asks for, and when it stops: after its turn, or at `deadline`."""

    model: str
    prompt_tokens: int
    max_tokens: int
    turns: Iterator[int]
    deadline: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the load and print what was seen."""
    options = _parse(arguments)
    run = uvloop.run if options.uvloop else asyncio.run
    print(run(_run(options)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", required=True, help="host:port of Triton's gRPC")
    parser.add_argument("--model", required=True)
    parser.add_argument("--connections", type=int, required=True, help="streams at a time")
    parser.add_argument("--channels", type=int, default=1, help="HTTP/2 connections they share")
    parser.add_argument("--prompt-tokens", type=int, required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--ramp", type=float, default=0.0, help="seconds until all have started")
    parser.add_argument("--uvloop", action="store_true")
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--requests", type=int)
    until.add_argument("--seconds", type=float)
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> str:
    channels = [open_channel(options.target) for _ in range(options.channels)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    figures = Figures()
    load = _load(options, figures.started)
    stubs = itertools.cycle([open_stub(channel) for channel in channels])
    pauses = (options.ramp * place / options.connections for place in range(options.connections))
    await asyncio.gather(*(_connection(next(stubs), load, figures, pause) for pause in pauses))
    report = figures.as_json(
        load.deadline, tokens_seen=figures.tokens, tokens_counted="new ids of each message"
    )
    await asyncio.gather(*(channel.close() for channel in channels))
    return report


def _load(options: argparse.Namespace, now: float) -> Load:
    is_counted = options.requests is not None
    turns = iter(range(options.requests)) if is_counted else itertools.count()
    deadline = float("inf") if is_counted else now + options.seconds
    return Load(options.model, options.prompt_tokens, options.max_tokens, turns, deadline)


async def _connection(stub: Any, load: Load, figures: Figures, pause: float) -> None:
    """One request after another, until they are all done or the time is up."""
    await asyncio.sleep(pause)
    while time.perf_counter() < load.deadline and next(load.turns, None) is not None:
        try:
            await _request(stub, load, figures)
        except (grpc.RpcError, ModelError) as error:
            figures.add_error(str(error))


async def _request(stub: Any, load: Load, figures: Figures) -> None:
    ids = [FIRST_ID + place % NUM_IDS for place in range(load.prompt_tokens)]
    options = {"end_id": END_ID, "runtime_top_k": 1, "random_seed": 1}
    started = time.perf_counter()
    call = stub.ModelStreamInfer()
    try:
        await call.write(infer_request(load.model, Prompt(ids, load.max_tokens, options)))
        await call.done_writing()
        is_whole = await _read(call, NewIds(len(ids)), load.deadline, started, figures)
    finally:
        call.cancel()  # does nothing to a call that has ended
    if is_whole:
        figures.requests += 1
        figures.latency.append(time.perf_counter() - started)


async def _read(
    call: Any, new_ids: NewIds, deadline: float, started: float, figures: Figures
) -> bool:
    """Read to the end; False when the time is up before it."""
    last, samples = started, figures.ttft
    async for message in call:
        now = time.perf_counter()
        if now > deadline:
            return False
        if num_new := len(new_ids.of(message)):
            samples.append(now - last)
            last, samples = now, figures.gaps
            figures.tokens += num_new
            figures.events += 1
    return True


if __name__ == "__main__":
    main()
