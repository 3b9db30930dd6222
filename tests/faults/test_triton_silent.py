"""Triton is frozen, unreachable or slow, or only one of its models is: A4, A5, A6, A9, A12."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.bench.client import (
    Outcome,
    Streams,
    Traffic,
    ask,
    ask_all,
    completion,
    kinds,
    percentile,
    streamed,
)
from tests.faults.bench.common import (
    NUM_TRIES,
    RECOVERY_SECONDS,
    Bench,
    answered,
    common_pass,
    speaking,
    until_well,
)
from tests.faults.bench.gateway import Gateway
from tests.faults.bench.network import Namespace, NoNetworks
from tests.faults.bench.processes import stub_pid
from tests.faults.bench.proxy import FaultProxy
from tests.faults.bench.repository import CHAT_FOLDER, SOON, entry, soon
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import Case
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until

IDLE = float(SOON["between_tokens"])
DEADLINE = IDLE + 0.5
SPEAKING = Script(delay_ms=200)
WAITING = Script("hang", at=0)
LONG = 400
# A deadline of seconds is not stretched as much as a time of milliseconds.
SLACK = 3.0
# A ratio of milliseconds, on a machine that does nothing else.
SLOWEST = 5.0


def silence(
    bench: Bench,
    case: Case,
    words: Words,
    model: str,
    begin: Callable[[], None],
    end: Callable[[], None],
    seconds: float,
) -> None:
    """Streams and calls meet a Triton that says nothing for so many seconds."""
    server, each = bench.gateway.server, 5
    prompts = [words.prompt(number) for number in range(each)]
    with common_pass(bench, case) as watch:
        before = bench.counters().cancelled
        spoken = speaking(server, [streamed(p, LONG, SPEAKING, model) for p in prompts])
        begun_at = time.monotonic()
        begin()
        fresh = Streams(server, [streamed(p, LONG, SPEAKING, model) for p in prompts])
        whole = Streams(server, [completion(p, LONG, SPEAKING, model) for p in prompts])
        spoke, rest = spoken.join(), [*fresh.join(), *whole.join()]
        watch.saw([*spoke, *rest])
        case.exactly("streams with an error frame", kinds(spoke), {"frame": each})
        case.exactly("their codes", {outcome.code for outcome in spoke}, {"backend_timeout"})
        slowest = max(outcome.ended_at for outcome in spoke) - begun_at
        case.at_most("to the last frame", slowest, DEADLINE, slack=SLACK)
        failed = [outcome.kind in ("error", "frame") for outcome in rest]
        case.exactly("calls before a token that failed", sum(failed), len(rest))
        slowest = max(outcome.seconds for outcome in rest)
        case.at_most("slowest of them", slowest, DEADLINE, slack=SLACK)
        # Either a connection cannot be opened within 1 s, or the breaker is open.
        new = ask(server, completion("a", 1, model=model))
        watch.saw([new])
        case.exactly("a call behind these", new.status in (503, 504), True)
        case.at_most("its time", new.seconds, SOON["connect"] + 0.5, slack=SLACK)
        time.sleep(max(begun_at + seconds - time.monotonic(), 0.0))
        end()
        watch.fault_is_over()
        others = [words.prompt(100 + number) for number in range(each)]
        back = until_well(server, watch.over_at or 0.0, completion("a", 1, model=model))
        case.at_most("a good call of this model again", back, RECOVERY_SECONDS)
        later = answered(server, [completion(prompt, 20, model=model) for prompt in others])
        right = [words.answer(prompt, 20) for prompt in others]
        case.exactly("later answers that are right", matches(later, right), each)
        wait_until(lambda: bench.num_running("llm") == 0, "that all requests end")
        cancelled = bench.counters().cancelled - before
        case.holds("requests that the model saw cancelled", cancelled >= each, cancelled, "≥ 5")


def matches(outcomes: Sequence[Outcome], texts: Sequence[str]) -> int:
    return sum(a.text == b for a, b in zip(outcomes, texts, strict=True))


def freeze(bench: Bench, case: Case, words: Words, seconds: float) -> None:
    case.injects(f"SIGSTOP to Triton and its stubs for {seconds:g} s")

    def send(number: int) -> Callable[[], None]:
        return lambda: os.killpg(bench.triton.pid, number)

    try:
        stop, go_on = send(signal.SIGSTOP), send(signal.SIGCONT)
        silence(bench, case, words, soon("llm"), stop, go_on, seconds)
    finally:
        send(signal.SIGCONT)()


@pytest.mark.case("A4", "Triton is frozen for 6 s")
def test_a4_quick(bench: Bench, case: Case, words: Words) -> None:
    freeze(bench, case, words, 6)


@pytest.mark.whole
@pytest.mark.case("A4", "Triton is frozen for 20 s")
def test_a4(bench: Bench, case: Case, words: Words) -> None:
    freeze(bench, case, words, 20)


@pytest.mark.whole
@pytest.mark.case("A5", "a proxy swallows all bytes for 6 s")
def test_a5_proxy(bench: Bench, case: Case, words: Words) -> None:
    case.injects("a proxy that accepts connections and swallows everything for 6 s")
    proxy = bench.grpc_proxy
    silence(bench, case, words, "llm-proxied", proxy.blackhole, proxy.heal, 6)


@pytest.mark.whole
@pytest.mark.case("A5", "a blackhole on the way to Triton for 20 s")
def test_a5(bench: Bench, case: Case, words: Words, tmp_path: Path) -> None:
    case.injects("a blackhole route between the gateway and Triton for 20 s")
    try:
        with Namespace() as network:
            lose_route(bench, case, words, network, tmp_path)
    except NoNetworks as error:
        case.cannot_run(f"needs network namespaces: {error}")


def lose_route(bench: Bench, case: Case, words: Words, network: Namespace, folder: Path) -> None:
    listen = network.triton_host
    with FaultProxy("127.0.0.1", bench.triton.ports["grpc"], listen=listen) as proxy:
        content: dict[str, object] = {
            "llm": [entry("llm", proxy.address, CHAT_FOLDER, timeouts=SOON)]
        }
        path = write_configuration(folder / "models.json", content)
        gateway = Gateway(path, folder / "log", host=network.gateway_host, prefix=network.prefix)
        own = replace(bench, gateway=gateway)
        with gateway.running():
            silence(own, case, words, "llm", network.lose_triton, network.find_triton, 20)


@pytest.mark.case("A6", "the Python stub of one model is killed")
def test_a6(bench: Bench, case: Case, words: Words) -> None:
    case.injects("kill -9 of one model's Python stub under 5 streams and 10 calls a second")
    server, prompts = bench.gateway.server, [words.prompt(number) for number in range(5)]
    model = soon("llm-bad")
    with common_pass(bench, case, counted=("llm", "text-bad")) as watch:
        streams = speaking(server, [streamed(p, LONG, SPEAKING, model) for p in prompts])
        killed_at = time.monotonic()
        os.kill(stub_pid(bench.triton.pid, "llm-bad"), signal.SIGKILL)
        # Only what becomes of calls can tell: Triton goes on saying that the model is ready.
        call = completion("a", 5, model=model)
        with Traffic(server, call, interval=0.1) as traffic:
            others = [ask(server, completion(prompt, 5)) for prompt in prompts]
            wait_until(lambda: is_not_ready(bench, model), "that /readyz tells")
            case.at_most("until /readyz tells", time.monotonic() - killed_at, 5.0, slack=SLACK)
            wait_until(bench.triton.is_ready, "Triton's own word")
            ended = streams.join()
            # So both workers have found out before the last calls come.
            wait_until(lambda: traffic.statuses[-20:].count(503) >= 14, "refusals of most calls")
            others += [ask(server, completion(prompt, 5)) for prompt in prompts]
        case.exactly("streams with an error frame", kinds(ended), {"frame": 5})
        slowest = max(each.ended_at for each in ended) - killed_at
        case.at_most("to the last frame", slowest, DEADLINE, slack=SLACK)
        failed = traffic.outcomes()
        watch.saw([*ended, *failed, *others])
        statuses = [each.status for each in failed]
        # Until the breaker opens a call may still run into its first-token limit.
        case.holds("statuses of calls", set(statuses) <= {503, 504}, set(statuses), "503, some 504")
        # Of each worker one of these may be a trial.
        case.exactly("503 among the last of them", 503 in statuses[-5:], True)
        case.exactly("calls of another model", kinds(others), {"complete": 10})
        bench.triton.kill()
        bench.restart_triton()
        watch.fault_is_over()


def is_not_ready(bench: Bench, model: str) -> bool:
    report = bench.gateway.server.get("/readyz")
    return report.status == 503 and not report.json()["models"][model]["ready"]


def gaps(bench: Bench, case: Case, words: Words, gap_ms: int, num_words: int) -> None:
    case.injects(f"tokens {gap_ms} ms apart, then 3500 ms, with an idle limit of {IDLE:g} s")
    server, prompt, model = bench.gateway.server, words.prompt(1), soon("llm")
    slow = [streamed(prompt, num_words, Script(delay_ms=gap_ms), model) for _ in range(3)]
    # It speaks one word at once, so that the limit is the one between tokens.
    stalled = [streamed(prompt, num_words, Script("hang", at=1), model)] * 3
    too_slow = [streamed(prompt, num_words, Script(delay_ms=3500), model)] * 3
    with common_pass(bench, case) as watch:
        for _ in range(NUM_TRIES):
            outcomes = ask_all(server, [*slow, *stalled, *too_slow])
            watch.saw(outcomes)
            # A machine that stands still for seconds makes gaps of its own, and no comments.
            if [each.kind for each in outcomes] == ["complete"] * 3 + ["frame"] * 6 and all(
                each.num_comments for each in outcomes[3:6]
            ):
                break
            until_well(server, time.monotonic(), completion(prompt, 1, model=model))
        case.exactly("slow streams", kinds(outcomes[:3]), {"complete": 3})
        right = [words.answer(prompt, num_words)] * 3
        case.exactly("of them right", matches(outcomes[:3], right), 3)
        # Between short gaps there are none.
        silent = outcomes[:3] if gap_ms > 1000 else outcomes[3:6]
        comments = min(each.num_comments for each in silent)
        case.holds("comments in each", comments >= 1, comments, "≥ 1")
        case.exactly("streams with too long a gap", kinds(outcomes[3:]), {"frame": 6})
        early = min(each.seconds for each in outcomes[3:])
        case.holds("none before its time", early >= IDLE, f"{early:.2f} s", "≥ 3 s")
        waits = [each.ended_at - (each.last_at or each.started_at) for each in outcomes[3:]]
        case.at_most("frame after the last token", max(waits), DEADLINE, slack=SLACK)


@pytest.mark.case("A9", "tokens come slowly, or too slowly")
def test_a9_quick(bench: Bench, case: Case, words: Words) -> None:
    # Together more than the limit, each far less.
    gaps(bench, case, words, 400, 9)


@pytest.mark.whole
@pytest.mark.case("A9", "tokens come slowly for 60 s, or too slowly")
def test_a9(bench: Bench, case: Case, words: Words) -> None:
    gaps(bench, case, words, 2800, 21)


@pytest.mark.case("A12", "one of two models hangs")
def test_a12(bench: Bench, case: Case, words: Words) -> None:
    case.injects("20 calls that hang in one model")
    server, call = bench.gateway.server, completion(words.prompt(1), 10, Script(delay_ms=5))
    with common_pass(bench, case) as watch:
        baseline = [ask(server, call) for _ in range(20)]
        hanging = [streamed(words.prompt(n), LONG, WAITING, "llm-bad") for n in range(20)]
        streams = Streams(server, hanging)
        wait_until(lambda: bench.num_running("llm-bad") == 20, "that all hang")
        beside = [ask(server, call) for _ in range(20)]
        ended = sum(bool(each.ended_at) for each in streams.outcomes)
        watch.saw([*baseline, *beside])
        case.exactly("calls of the other model", kinds(beside), {"complete": 20})
        case.exactly("hanging calls that they waited for", ended, 0)
        before, during = (
            percentile([o.seconds for o in each], 0.99) for each in (baseline, beside)
        )
        ratio, bar = f"{during / before:.3g} times its p99 before", "≤ 1.2 times"
        case.observes("p99 of the other model", during <= 1.2 * before, ratio, bar)
        assert not case.is_whole or during <= 1.2 * SLOWEST * before
        streams.leave()
        streams.join()
        wait_until(lambda: not bench.num_running("llm-bad"), "that the model is told")
