"""The peers as they are measured: their own environments, a real Triton, the gateway behind them.

Run by `make bench`, which makes the environments, before it measures.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from benchmarks.peers.fastertransformer import NewIds, Prompt, infer_request, open_stub
from benchmarks.peers.servers import PEERS, Place, program
from benchmarks.places import ENCODER_FOLDER
from benchmarks.plans import BASELINE, BASELINE_ORJSON, INFINITY, LITELLM, ROUTER
from benchmarks.real_triton import PACED, real_triton
from demo.counters import Counters
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.http import Server
from tests.live.waiting import wait_until

CHAT = "/v1/chat/completions"
QUESTION = {
    "model": "demo-chat",
    "max_tokens": 40,
    "temperature": 0,
    "messages": [{"role": "user", "content": "What is 7 + 5?"}],
}
ANSWER = "7 + 5 = 12."
TOKEN_IDS = [int(word) for word in (PACED / "tokens.txt").read_text().split()]
START_SECONDS = 90.0


@contextmanager
def running(
    name: str, folder: Path, grpc_url: str, upstream: str, *models: str
) -> Iterator[Server]:
    peer, (port,), log = PEERS[name], free_ports(1), folder / "log"
    words = peer.command(Place(port, grpc_url, upstream, folder, models))
    with (
        log.open("wb") as out,
        subprocess.Popen(words, env={**os.environ, **peer.env}, stdout=out, stderr=out) as process,
    ):
        server = Server("127.0.0.1", port, log, process.pid)
        try:
            wait_until(lambda: answers(server, peer.ready), f"{name} is ready", START_SECONDS)
            yield server
        finally:
            process.kill()


def answers(server: Server, path: str) -> bool:
    try:
        return server.get(path).status == 200
    except OSError:
        return False


def text_of(events: list[dict[str, Any]]) -> str:
    choices = [choice for event in events for choice in event["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@pytest.fixture(scope="module", params=[BASELINE, BASELINE_ORJSON])
def baseline(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tritonserver: TritonServer,
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("baseline")
    with running(request.param, folder, tritonserver.grpc_url, "") as server:
        yield server


def test_the_baseline_streams_what_it_answers(baseline: Server) -> None:
    events = baseline.events(CHAT, {**QUESTION, "stream_options": {"include_usage": True}})
    whole = baseline.post(CHAT, QUESTION).json()
    assert text_of(events) == whole["choices"][0]["message"]["content"] == ANSWER
    assert (
        events[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "stop"
    )
    assert events[-1]["usage"] == whole["usage"]
    assert whole["usage"] == {"prompt_tokens": 15, "completion_tokens": 7, "total_tokens": 22}


@pytest.mark.parametrize(
    ("fields", "text", "reason"),
    [
        ({"stop": [" ="]}, "7 + 5", "stop"),
        ({"stop": ["2.", "= 1"]}, "7 + 5 ", "stop"),
        ({"max_tokens": 3}, "7 + 5"[:5], "length"),
    ],
)
def test_the_baseline_ends_where_it_should(
    baseline: Server, fields: dict[str, Any], text: str, reason: str
) -> None:
    events = baseline.events(CHAT, QUESTION | fields)
    choice = baseline.post(CHAT, QUESTION | fields).json()["choices"][0]
    assert (text_of(events), events[-1]["choices"][0]["finish_reason"]) == (text, reason)
    assert (choice["message"]["content"], choice["finish_reason"]) == (text, reason)


def test_the_baseline_says_what_is_wrong(baseline: Server) -> None:
    assert baseline.post(CHAT, QUESTION | {"temperature": 9}).status == 400
    unknown = baseline.post(CHAT, QUESTION | {"model": "nobody"})
    assert unknown.status == 502
    assert "nobody" in unknown.json()["error"]["message"]


@pytest.mark.parametrize("is_streamed", [True, False])
def test_the_baseline_cancels_when_the_client_leaves(
    baseline: Server, counters: Callable[[str], Counters], is_streamed: bool
) -> None:
    before = counters("ft-slow")
    connection = baseline.send(CHAT, {**QUESTION, "model": "ft-slow", "stream": is_streamed})
    wait_until(lambda: counters("ft-slow").tokens > before.tokens, "a token comes")
    connection.close()
    wait_until(lambda: counters("ft-slow").cancelled > before.cancelled, "it is cancelled")


@pytest.mark.parametrize("name", [LITELLM, ROUTER])
def test_a_proxy_hands_on_what_the_gateway_says(
    name: str, tmp_path: Path, tritonserver: TritonServer, gateway: Server
) -> None:
    with running(name, tmp_path, tritonserver.grpc_url, gateway.url, "demo-chat") as server:
        asked = {**QUESTION, "stream_options": {"include_usage": True}}
        events, whole = server.events(CHAT, asked), server.post(CHAT, QUESTION).json()
    assert text_of(events) == whole["choices"][0]["message"]["content"] == ANSWER
    assert events[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"] == 7


def test_infinity_answers_with_numbers(tmp_path: Path) -> None:
    with running(INFINITY, tmp_path, "", "", "embed1024", "rerank") as server:
        body = {"model": "embed1024", "input": ["one", "two", "three"]}
        vectors = server.post("/v1/embeddings", body).json()["data"]
        body = {"model": "rerank", "query": "one", "documents": ["a", "b"]}
        ranked = server.post("/v1/rerank", body).json()["results"]
    assert [len(each["embedding"]) for each in vectors] == [1024] * 3
    assert {each["index"] for each in ranked} == {0, 1}


def bare(module: str, *arguments: str) -> dict[str, Any]:
    words = [program("baseline", "python"), "-m", f"benchmarks.peers.{module}", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_bare_encoder_gets_every_vector(tmp_path: Path, tritonserver: TritonServer) -> None:
    body = tmp_path / "body.json"
    body.write_text(json.dumps({"model": "embed-pooled", "input": ["one", "two words"] * 20}))
    target = ["--target", tritonserver.http_url, "--tokenizer", str(ENCODER_FOLDER)]
    amount = ["--connections", "2", "--requests", "3", "--body", str(body)]
    found = bare("bare_embeddings", *target, *amount)
    assert (found["requests"], found["errors"], found["events"]) == (3, 0, 120)
    # 384 floats each; [CLS], [SEP] and one or two words.
    assert (found["bytes"], found["tokens"]) == (120 * 384 * 4, 3 * 20 * (3 + 4))


@pytest.fixture(scope="module")
def paced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    with real_triton(tmp_path_factory.mktemp("paced"), {"ft-pace20": 20, "ft-pace100": 100}) as it:
        yield it


def test_the_bare_client_counts_every_token_of_a_paced_triton(paced: TritonServer) -> None:
    options = ["--model", "ft-pace20", "--prompt-tokens", "8", "--max-tokens", "10"]
    amount = ["--connections", "8", "--requests", "16"]
    found = bare("bare_client", "--target", paced.grpc_url, *options, *amount)
    assert (found["requests"], found["errors"], found["tokens"]) == (16, 0, 160)
    # 20 tokens a second; a busy machine may be late for one token and then early for the next.
    assert found["latency_ms"]["p50"] == pytest.approx(500, rel=0.2)
    assert found["gap_ms"]["mean"] == pytest.approx(50, rel=0.2)


def test_the_paced_model_sends_its_tokens_in_order(paced: TritonServer) -> None:
    prompt, count = [9, 8, 7], len(TOKEN_IDS) + 10
    request = infer_request("ft-pace100", Prompt(prompt, count, {"end_id": 5}))
    new, found = NewIds(len(prompt)), []
    with grpc.insecure_channel(paced.grpc_url) as channel:
        for message in open_stub(channel).ModelStreamInfer(iter([request])):
            found += new.of(message).tolist()
            row = np.frombuffer(message.infer_response.raw_output_contents[0], np.uint32)
            assert row[:3].tolist() == prompt
            assert (row[3 + len(found) :] == 5).all()
    assert found == list(islice(cycle(TOKEN_IDS), count))


def test_the_paced_model_goes_on_after_a_cancelled_stream(paced: TritonServer) -> None:
    requests: queue.Queue[Any] = queue.Queue()
    with grpc.insecure_channel(paced.grpc_url) as channel:
        stub = open_stub(channel)
        requests.put(infer_request("ft-pace100", Prompt([1], 10000, {})))
        call = stub.ModelStreamInfer(iter(requests.get, None))
        next(call)
        call.cancel()
        requests.put(None)
        time.sleep(0.3)
        request = infer_request("ft-pace100", Prompt([1], 10, {}))
        times = [time.monotonic() for _ in stub.ModelStreamInfer(iter([request]))]
    assert len(times) == 10
    assert max(later - former for former, later in pairwise(times)) < 0.2
    assert paced.exit_code() is None
