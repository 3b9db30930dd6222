"""Two scenarios again with load generators that others wrote: aiperf for streams, wrk for floods.

Both are optional: aiperf where its environment is (requirements/aiperf.txt), wrk where it is on the
PATH. What they say and what the generator of this benchmark says should agree.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.fleet import Fleet, Ground
from benchmarks.generators import Amount, body_file, http_load
from benchmarks.loads import Chat
from benchmarks.places import BENCH, CHAT_FOLDER
from benchmarks.plans import GATEWAY, PACED, UNPACED
from benchmarks.processes import Report
from demo.ports import LOOPBACK

AIPERF = BENCH / "aiperf" / "bin" / "aiperf"
RUNS = 3
SECONDS = 3
TIMEOUT = 180.0
STREAMS = Chat(model=PACED, connections=64, requests=128, max_tokens=60, ramp=1.5)
WHOLE = Chat(model=UNPACED, connections=64, max_tokens=16, is_streamed=False)
WRK_SCRIPT = """
wrk.method, wrk.headers["Content-Type"] = "POST", "application/json"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{{"requests_per_second": %f, "latency_p50_ms": %f, "errors": %d}}',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""

Figures = dict[str, float]


def cross_check(ground: Ground, fleet: Fleet, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows of {what, generator, runs}: the same load on this server by two generators each."""
    port = fleet.server(GATEWAY).port
    pairs: list[tuple[str, str, Callable[[], Figures]]] = []
    if AIPERF.exists():
        what = "64 streams at 20 tokens/s"
        pairs.append((what, "http_load", lambda: _own(STREAMS, Amount(128), port, ground)))
        pairs.append((what, "aiperf", lambda: _aiperf(STREAMS, port, ground)))
    if shutil.which("wrk"):
        what = "whole answers of 16 tokens, 64 connections"
        amount = Amount(seconds=SECONDS)
        pairs.append((what, "http_load", lambda: _own(WHOLE, amount, port, ground)))
        pairs.append((what, "wrk", lambda: _wrk(WHOLE, port, ground)))
    rows: list[dict[str, Any]] = [
        {"what": what, "generator": name, "runs": []} for what, name, _ in pairs
    ]
    for number in range(RUNS):
        for row, (_, name, ask) in zip(rows, pairs, strict=True):
            row["runs"].append(ask())
            say(f"cross-check {number + 1}/{RUNS} {name}: {row['runs'][-1]}")
    return rows


def _own(load: Chat, amount: Amount, port: int, ground: Ground) -> Figures:
    raw = Report(http_load(load, port, amount, ground)).read()
    found = {
        "requests_per_second": raw["requests"] / raw["seconds"],
        "latency_p50_ms": raw["latency_ms"]["p50"],
        "errors": raw["errors"],
    }
    if load.is_streamed:
        found["ttft_p50_ms"] = raw["ttft_ms"]["p50"]
        found["gap_p50_ms"] = raw["gap_ms"]["p50"]
    return found


def _aiperf(load: Chat, port: int, ground: Ground) -> Figures:
    prompts, output = ground.folder / "aiperf.jsonl", ground.folder / "aiperf"
    prompts.write_text(json.dumps({"text": load.text}) + "\n")
    extra = {"max_tokens": load.max_tokens, "stream_options": {"include_usage": True}}
    options = {
        "--model": load.model,
        "--url": f"http://{LOOPBACK}:{port}",
        "--endpoint-type": "chat",
        "--concurrency": str(load.connections),
        "--concurrency-ramp-duration": str(load.ramp),
        "--request-count": str(load.requests),
        "--input-file": str(prompts),
        "--custom-dataset-type": "single_turn",
        "--tokenizer": str(CHAT_FOLDER),
        "--extra-inputs": json.dumps(extra),
        "--output-artifact-dir": str(output),
        "--ui": "none",
    }
    words = [text for pair in options.items() for text in pair]
    flags = ["--streaming", "--use-server-token-count"]
    shutil.rmtree(output, ignore_errors=True)
    _output([str(AIPERF), "profile", *words, *flags], ground)
    return read_aiperf(json.loads((output / "profile_export_aiperf.json").read_text()))


def read_aiperf(content: Mapping[str, Any]) -> Figures:
    """Its `error_request_count` is there only if requests failed."""
    return {
        "requests_per_second": content["request_throughput"]["avg"],
        "latency_p50_ms": content["request_latency"]["p50"],
        "ttft_p50_ms": content["time_to_first_token"]["p50"],
        "gap_p50_ms": content["inter_chunk_latency"]["p50"],
        "errors": content.get("error_request_count", {}).get("avg", 0),
    }


def _wrk(load: Chat, port: int, ground: Ground) -> Figures:
    script = ground.folder / "wrk.lua"
    script.write_text(WRK_SCRIPT.format(body=body_file(load, ground)))
    words = ["wrk", "-t1", f"-c{load.connections}", f"-d{SECONDS}s", "-s", str(script)]
    output = _output([*words, f"http://{LOOPBACK}:{port}{load.path}"], ground)
    found = re.search(r"\{.*\}", output, re.DOTALL)
    if not found:
        raise BenchmarkError(f"wrk printed no figures:\n{output}")
    return dict(json.loads(found[0]))


def _output(words: list[str], ground: Ground) -> str:
    """What a program prints, run on the load's core in a folder for files."""
    cores = ground.cores.load
    done = subprocess.run(
        words,
        cwd=_made(ground.folder / "others"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        end = (done.stdout + done.stderr)[-2000:]
        raise BenchmarkError(f"{Path(words[0]).name} failed:\n{end}")
    return done.stdout


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder
