"""Triton is killed, not there yet, restarted, or told to stop: cases A1, A2, A3 and A11."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.faults.bench.client import Outcome, Streams, ask, completion, kinds, percentile, streamed
from tests.faults.bench.common import GOOD_CALL, READY_SECONDS, Bench, common_pass, speaking
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.repository import entries, soon
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import Case
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until

SPEAKING = Script(delay_ms=200)
# Calls of an outage: the first ten find out.
NUM_AWAY = 15
# It says nothing before the case is over.
WAITING = Script("hang", at=0)
LONG = 400


def latest(outcomes: Sequence[Outcome], since: float) -> float:
    """Seconds to the last end."""
    return max(each.ended_at for each in outcomes) - since


def open_streams(bench: Bench, words: Words, each: int, beside: int) -> tuple[Streams, Streams]:
    """So many streams that speak, as many that wait for their first token; `beside` run already."""
    server, prompts = bench.gateway.server, [words.prompt(number) for number in range(each)]
    speaking = Streams(server, [streamed(prompt, LONG, SPEAKING) for prompt in prompts])
    speaking.wait_for_words(1)
    waiting = Streams(server, [streamed(prompt, LONG, WAITING) for prompt in prompts])
    wait_until(lambda: bench.num_running("llm") == 2 * each + beside, "that all of them run")
    return speaking, waiting


def is_beginning(outcome: Outcome, words: Words, number: int) -> bool:
    return words.answer(words.prompt(number), LONG).startswith(outcome.text.rstrip("\ufffd"))


class Reader(threading.Thread):
    """openai-python reading one stream; `error` is what it raised."""

    def __init__(self, client: openai.OpenAI, body: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._client, self._body = client, body
        self.num_chunks = 0
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for _ in self._client.completions.create(**self._body):
                self.num_chunks += 1
        except Exception as error:
            self.error = error


@contextmanager
def reading(bench: Bench, words: Words, each: int) -> Iterator[list[Reader]]:
    """So many that have a first chunk, and as many that wait for it."""
    url, bodies = f"{bench.gateway.server.url}/v1", [words.prompt(number) for number in range(each)]
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        speaking, waiting = (
            [Reader(client, streamed(prompt, LONG, script)) for prompt in bodies]
            for script in (SPEAKING, WAITING)
        )
        for reader in (*speaking, *waiting):
            reader.start()
        wait_until(lambda: all(reader.num_chunks for reader in speaking), "the first chunks")
        wait_until(lambda: bench.num_running("llm") == 2 * each, "that all of them run")
        yield [*speaking, *waiting]


def check_readers(case: Case, readers: Sequence[Reader]) -> None:
    for reader in readers:
        reader.join(60)
    raised = sum(isinstance(reader.error, openai.APIError) for reader in readers)
    case.exactly("streams for which openai-python raises", raised, len(readers))


def kill_under_streams(
    bench: Bench, case: Case, words: Words, each: int, num_readers: int = 0
) -> None:
    case.injects(f"kill -9 of Triton under {2 * each} streams, {each} of them before a token")
    with common_pass(bench, case) as watch, reading(bench, words, num_readers) as readers:
        speaking, waiting = open_streams(bench, words, each, len(readers))
        killed_at = time.monotonic()
        bench.triton.kill()
        spoke, waited = speaking.join(), waiting.join()
        watch.saw([*spoke, *waited])
        case.exactly("streams with an error frame", kinds(spoke), {"frame": each})
        case.at_most("to the last frame", latest(spoke, killed_at), 1.0)
        # Behind a comment the status is out, so that only an event is left.
        case.exactly(
            "waiting streams that failed", sum(k.kind in ("error", "frame") for k in waited), each
        )
        case.at_most("to the last of these", latest(waited, killed_at), 1.0)
        codes = {outcome.code for outcome in [*spoke, *waited]}
        case.exactly("their codes", codes, {"backend_unavailable"})
        right = [is_beginning(outcome, words, number) for number, outcome in enumerate(spoke)]
        case.exactly("texts that were right so far", sum(right), each)
        check_readers(case, readers)
        bench.restart_triton()
        watch.fault_is_over()


@pytest.mark.case("A1", "Triton is killed under live streams")
def test_a1_quick(bench: Bench, case: Case, words: Words) -> None:
    kill_under_streams(bench, case, words, 8, num_readers=3)


@pytest.mark.whole
@pytest.mark.case("A1", "Triton is killed under 50 live streams")
def test_a1(bench: Bench, case: Case, words: Words) -> None:
    kill_under_streams(bench, case, words, 25)


@pytest.mark.whole
@pytest.mark.case("A1", "openai-python reads while Triton is killed")
def test_a1_openai_python(bench: Bench, case: Case, words: Words) -> None:
    case.injects("kill -9 of Triton under 10 streams that openai-python reads")
    with common_pass(bench, case) as watch, reading(bench, words, 5) as readers:
        bench.triton.kill()
        check_readers(case, readers)
        bench.restart_triton()
        watch.fault_is_over()


@pytest.fixture
def own_gateway(bench: Bench, tmp_path: Path) -> Gateway:
    """Another gateway for the same Triton, with two of its models, not started yet."""
    content = entries(bench.triton.grpc_url, bench.triton.http_url, ("llm", "embed"))
    path = write_configuration(tmp_path / "models.json", dict(content))
    return Gateway(path, tmp_path / "log")


@pytest.mark.case("A2", "Triton is not there when the gateway starts")
def test_a2(bench: Bench, case: Case, own_gateway: Gateway) -> None:
    case.injects("no Triton at the gateway's start")
    bench.triton.kill()
    own_bench = replace(bench, gateway=own_gateway)
    with own_gateway.running() as gateway, common_pass(own_bench, case) as watch:
        server = gateway.server
        case.exactly("livez", server.get("/livez").status, 200)
        case.exactly("readyz", server.get("/readyz").status, 503)
        calls = [ask(server, GOOD_CALL), ask(server, {**GOOD_CALL, "stream": True})]
        calls.append(ask(server, {"model": "embed", "input": "a"}, "/v1/embeddings"))
        watch.saw(calls)
        case.exactly("statuses of calls", [each.status for each in calls], [503] * 3)
        case.at_most("slowest of them", max(each.seconds for each in calls), 1.0)
        bench.restart_triton()
        watch.fault_is_over()
        wait_until(lambda: server.get("/readyz").status == 200, "readiness")
        assert watch.over_at is not None
        case.at_most("ready again", time.monotonic() - watch.over_at, 2.0)


def outage(bench: Bench, case: Case, seconds: float) -> None:
    case.injects(f"Triton away for {seconds:g} s, a call every 250 ms")
    server, calls = bench.gateway.server, list[Outcome]()
    proxied = completion("is it well", 3, model="llm-proxied")
    with common_pass(bench, case) as watch:
        bench.triton.kill()
        before = bench.grpc_proxy.tally["connections"]
        until = time.monotonic() + seconds
        num_proxied = 0
        while time.monotonic() < until or len(calls) < NUM_AWAY:
            calls.append(ask(server, GOOD_CALL))
            num_proxied += ask(server, proxied).kind != "complete"
            time.sleep(0.25)
        attempts = (bench.grpc_proxy.tally["connections"] - before) / num_proxied
        case.at_most("connections opened per failed call, probes included", attempts, 1.1, "")
        bench.triton.start()
        back = threading.Thread(target=bench.triton.wait_until_ready, args=(READY_SECONDS,))
        back.start()
        while back.is_alive():
            calls.append(ask(server, GOOD_CALL))
            time.sleep(0.25)
        watch.fault_is_over()
        watch.saw(calls)
        failed = [each for each in calls if each.kind != "complete"]
        case.exactly("statuses of failed calls", {each.status for each in failed}, {503})
        # The first ones find out, in each worker. A busy machine stretches milliseconds most.
        slowest = percentile([each.seconds for each in failed[10:]], 0.99)
        case.at_most("p99 of failed calls, from the 11th on", slowest, 0.05, slack=40)
        case.exactly("of them without Retry-After", sum(not _advises(each) for each in failed), 0)


def _advises(outcome: Outcome) -> bool:
    return 1 <= int(outcome.headers.get("retry-after", 0)) <= 120


@pytest.mark.case("A3", "Triton is restarted after 5 s")
def test_a3_quick(bench: Bench, case: Case) -> None:
    outage(bench, case, 5)


@pytest.mark.whole
@pytest.mark.case("A3", "Triton is restarted after 30 s")
def test_a3_30_seconds(bench: Bench, case: Case) -> None:
    outage(bench, case, 30)


@pytest.mark.whole
@pytest.mark.case("A3", "Triton is restarted after 120 s")
def test_a3_120_seconds(bench: Bench, case: Case) -> None:
    outage(bench, case, 120)


def stop_under_streams(bench: Bench, case: Case, words: Words, count: int) -> None:
    case.injects(f"SIGTERM to Triton under {count} streams")
    server = bench.gateway.server
    prompts = [words.prompt(number) for number in range(count)]
    # Half of them are over before Triton's exit timeout of 3 s, half are not.
    lengths = [6 if number % 2 else LONG for number in range(count)]
    with common_pass(bench, case) as watch:
        # Behind its exit timeout Triton 2.51.0 says nothing more, and may not end by itself.
        bodies = [
            streamed(prompt, length, Script(delay_ms=100), soon("llm") if length == LONG else "llm")
            for prompt, length in zip(prompts, lengths, strict=True)
        ]
        streams = speaking(server, bodies)
        os.kill(bench.triton.pid, signal.SIGTERM)
        refused = _first_refusal(bench)
        ended = streams.join()
        watch.saw([*ended, refused])
        # One that is stopping may also end a call without an answer, as a broken model does.
        case.observes("a new call", refused.status == 503, refused.status, "503")
        assert refused.status in (502, 503)
        found = [each.kind for each in ended]
        case.holds("streams", set(found) <= {"complete", "frame"}, kinds(ended), "whole or a frame")
        case.exactly("short streams that are whole", found[1::2].count("complete"), count // 2)
        texts = [
            outcome.text == words.answer(prompt, length)
            for outcome, prompt, length in zip(ended, prompts, lengths, strict=True)
            if outcome.kind == "complete"
        ]
        case.exactly("whole streams with another text", texts.count(False), 0)
        bench.triton.kill()
        bench.restart_triton()
        watch.fault_is_over()


def _first_refusal(bench: Bench) -> Outcome:
    """The first call that fails; until then Triton may still take some."""
    found: list[Outcome] = []

    def is_refused() -> bool:
        found.append(ask(bench.gateway.server, GOOD_CALL))
        return found[-1].kind != "complete"

    wait_until(is_refused, "a refusal")
    return found[-1]


@pytest.mark.case("A11", "Triton is told to stop under live streams")
def test_a11_quick(bench: Bench, case: Case, words: Words) -> None:
    stop_under_streams(bench, case, words, 10)


@pytest.mark.whole
@pytest.mark.case("A11", "Triton is told to stop under 50 live streams")
def test_a11(bench: Bench, case: Case, words: Words) -> None:
    stop_under_streams(bench, case, words, 50)
