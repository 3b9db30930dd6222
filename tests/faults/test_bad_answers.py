"""Models that break their contract, and connections that break their answers: A7 and A8."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import product

import pytest

from tests.faults.bench.client import Body, Outcome, Streams, ask, ask_all, completion
from tests.faults.bench.common import PATIENCE, Bench, common_pass, until_well
from tests.faults.bench.faults import Fault
from tests.faults.bench.repository import DEEDS, SOON, soon
from tests.faults.bench.script import Script
from tests.faults.bench.words import Words
from tests.faults.record import Case
from tests.live.waiting import wait_until

EMBEDDINGS, RERANK = "/v1/embeddings", "/v1/rerank"
NUM_WORDS = 9
# The whole answers of Triton; the client of the gateway takes less.
HUGE_MIB = 70

# What a deed of a language model becomes: None is a right answer, with its reason.
BROKEN: Mapping[str, str | None] = {
    "dtype": "backend_error",
    "shape": "backend_error",
    "no_output": "backend_error",
    "no_response": "backend_error",
    "error": "backend_error",
    "huge": "backend_error",
    "no_final": "backend_timeout",
    "hang": "backend_timeout",
    # Triton 2.51 itself refuses the second one.
    "double_final": None,
}
TOKENS: Mapping[str, str | None] = {
    **BROKEN,
    "nan": "backend_error",
    "vocabulary": "backend_error",
    "length": "backend_error",
    "prompt": "backend_error",
}
TEXTS: Mapping[str, str | None] = {**BROKEN, "utf8": "backend_error"}
AT = {"huge": HUGE_MIB, "hang": 2, "no_final": 2, "error": 2}
SECRETS = (b"NaN", b"Infinity", b"secret", b"Traceback", b"/root/", b"127.0.0.1", b"0x")


def bodies(model: str, deeds: Mapping[str, str | None], prompt: str) -> list[Body]:
    """Each deed, as a whole answer and as a stream."""
    return [
        completion(
            prompt,
            NUM_WORDS,
            Script(deed, AT.get(deed, 0)),
            soon(model) if deeds[deed] == "backend_timeout" else model,
            stream=is_stream,
            **({"logprobs": 1} if deed == "nan" else {}),
        )
        for deed, is_stream in product(deeds, (False, True))
    ]


def judge(case: Case, outcomes: list[Outcome], wanted: list[tuple[str, str | None]]) -> None:
    """Each answer, by the name of the deed, is an error with that code, or whole without one."""
    leaks = [secret for each in outcomes for secret in SECRETS if secret in each.body]
    case.exactly("texts of the backend, or numbers that are none", leaks, [])
    case.exactly("internal errors", sum(each.status == 500 for each in outcomes), 0)
    pairs = zip(wanted, outcomes, strict=True)
    others = [f"{deed}: {each.code}" for (deed, code), each in pairs if each.code != code]
    case.exactly("answers with another code than demanded", others, [])


@pytest.mark.parametrize(
    ("model", "deeds"), [("llm-bad", TOKENS), ("text-bad", TEXTS)], ids=["tokens", "texts"]
)
@pytest.mark.case("A7", "a language model answers garbage")
def test_a7_language_models(
    bench: Bench, case: Case, words: Words, model: str, deeds: Mapping[str, str | None]
) -> None:
    case.title += f": {model}"
    case.injects(f"{', '.join(deeds)}; whole and streamed", 2 * len(deeds))
    prompt = words.prompt(1)
    with common_pass(bench, case) as watch:
        outcomes = ask_all(bench.gateway.server, bodies(model, deeds, prompt))
        watch.saw(outcomes)
        judge(case, outcomes, [pair for pair in deeds.items() for _ in range(2)])
        answer = words.answer if model == "llm-bad" else words.text_answer
        texts = {each.text for each in outcomes if each.kind == "complete"}
        case.exactly("texts of whole answers", texts, {answer(prompt, NUM_WORDS)})
        # What makes `double_final` a right answer; the model says so behind it.
        refusal, log = "a second final response: ", bench.triton.log_file
        wait_until(lambda: refusal in log.read_text(), "that Triton refuses a second end")


@pytest.mark.parametrize(
    "model", ["embed-bad", pytest.param("rerank-bad", marks=pytest.mark.whole)]
)
@pytest.mark.case("A7", "an encoder answers garbage")
def test_a7_encoders(bench: Bench, case: Case, model: str) -> None:
    case.title += f": {model}"
    deeds = [word for word in DEEDS if word != "exit"]
    case.injects(", ".join(deeds), len(deeds))
    with common_pass(bench, case) as watch:
        # One after another, because an encoder that sleeps holds up the others.
        outcomes = [
            ask_encoder(bench, soon(model) if word == "sleep" else model, f"hello {word}")
            for word in deeds
        ]
        watch.saw(outcomes)
        codes = ["backend_timeout" if word == "sleep" else "backend_error" for word in deeds]
        judge(case, outcomes, list(zip(deeds, codes, strict=True)))


def ask_encoder(bench: Bench, model: str, text: str) -> Outcome:
    if model.startswith("embed"):
        return ask(bench.gateway.server, {"model": model, "input": text}, EMBEDDINGS)
    body = {"model": model, "query": text, "documents": ["a", "b c"]}
    return ask(bench.gateway.server, body, RERANK)


@pytest.mark.whole
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.case("A7", "a language model's stub ends itself")
def test_a7_exit(bench: Bench, case: Case, words: Words, is_stream: bool) -> None:
    case.title += ", streamed" if is_stream else ""
    case.injects("exit(1) of a Python stub at the third token")
    body = completion(words.prompt(1), 9, Script("exit", 2), soon("llm-bad"), stream=is_stream)
    with common_pass(bench, case, counted=("llm", "text-bad")) as watch:
        outcome = ask(bench.gateway.server, body)
        watch.saw([outcome])
        case.exactly("the answer is an error", outcome.kind in ("error", "frame"), True)
        case.exactly("its code", outcome.code, "backend_timeout")
        bench.triton.kill()
        bench.restart_triton()
        watch.fault_is_over()


@pytest.mark.whole
@pytest.mark.case("A7", "a model sends 1 GiB in one response")
def test_a7_gibibyte(bench: Bench, case: Case, words: Words) -> None:
    case.injects("one response of 1 GiB, over gRPC")
    with common_pass(bench, case) as watch:
        before = max(each.rss for each in bench.gateway.usage().values())
        outcome = ask(
            bench.gateway.server, completion("a", 1, Script("huge", 1024), soon("llm-bad"))
        )
        watch.saw([outcome])
        case.exactly("its code", outcome.code in ("backend_error", "backend_timeout"), True)
        grown = max(each.rss for each in bench.gateway.usage().values()) - before
        case.at_most("growth of a worker", grown / 2**20, 128, "MiB", slack=2)
        # Triton may still be busy with it for many seconds.
        bench.triton.kill()
        bench.restart_triton()
        watch.fault_is_over()


# Each has a name for the report. Offsets lie in HTTP/2's preface, within frames and behind them.
SLOWED = {
    "1 byte at a time": Fault(slice=1),
    "2 KiB/s": Fault(bandwidth=2048),
    "50 ms late": Fault(latency=0.05),
    "told late of the end": Fault(close_delay=1.0),
}
OFFSETS = (0, 1, 9, 60, 200, 333, 500, 777, 1200, 2500)
LIMITED = {
    f"{then} after {offset} bytes": Fault(limit=offset, then=then)
    for then, offset in product(("rst", "fin", "hang"), OFFSETS)
}
FEW = ("rst after 0 bytes", "fin after 60 bytes", "rst after 333 bytes", "hang after 500 bytes")
DEADLINE = 2 * SOON["first_token"] + 1.0


def broken_connections(bench: Bench, case: Case, words: Words, faults: Mapping[str, Fault]) -> None:
    case.injects(", ".join(faults), 3 * len(faults))
    with common_pass(bench, case) as watch:
        found = [one_fault(bench, words, fault) for fault in faults.values()]
        outcomes = [outcome for each in found for outcome in each]
        watch.saw(outcomes)
        wrong = sum(is_wrong(each, words) for each in outcomes)
        case.exactly("answers with a wrong text", wrong, 0)
        case.exactly("broken sockets of clients", sum(o.kind == "cut" for o in outcomes), 0)
        slowest = max(each.seconds for each in outcomes)
        case.at_most("slowest", slowest, DEADLINE, slack=2)
        case.holds("how they ended", True, ends(outcomes), "right or an error")


def one_fault(bench: Bench, words: Words, fault: Fault) -> list[Outcome]:
    """A stream, a whole answer and an embedding under it, then all is well again."""
    server, prompt = bench.gateway.server, words.prompt(1)
    for proxy in (bench.grpc_proxy, bench.http_proxy):
        proxy.down = fault
    bodies = [
        completion(prompt, NUM_WORDS, model="llm-proxied", stream=is_stream)
        for is_stream in (True, False)
    ]
    embedding = Streams(server, [{"model": "embed-proxied", "input": prompt}], EMBEDDINGS)
    outcomes = [*(ask(server, body) for body in bodies), *embedding.join()]
    for proxy in (bench.grpc_proxy, bench.http_proxy):
        proxy.heal()
        proxy.cut("rst")
    call = completion("a", 1, model="llm-proxied")
    assert until_well(server, time.monotonic(), call) < PATIENCE
    return outcomes


def is_wrong(outcome: Outcome, words: Words) -> bool:
    """A text that the model did not say, or a part of it that passes for the whole."""
    right = words.answer(words.prompt(1), NUM_WORDS)
    if outcome.kind == "complete" and outcome.text:
        return outcome.text != right
    return not right.startswith(outcome.text)


def ends(outcomes: list[Outcome]) -> str:
    found = [each.code or each.kind for each in outcomes]
    return ", ".join(f"{found.count(name)} {name}" for name in sorted(set(found)))


@pytest.mark.case("A8", "slow and broken connections to Triton")
def test_a8_quick(bench: Bench, case: Case, words: Words) -> None:
    few = {name: fault for name, fault in {**SLOWED, **LIMITED}.items() if name in FEW}
    broken_connections(bench, case, words, {"1 byte at a time": Fault(slice=1), **few})


@pytest.mark.whole
@pytest.mark.timeout(900)
@pytest.mark.case("A8", "slow connections, and connections cut at 10 offsets in three ways")
def test_a8(bench: Bench, case: Case, words: Words) -> None:
    broken_connections(bench, case, words, {**SLOWED, **LIMITED})


def corrupted(bench: Bench, case: Case, words: Words, times: int) -> None:
    """TCP as such protects nothing that a proxy changes: only TLS would notice every byte."""
    case.injects("1 % of the bytes from Triton with a flipped bit", times)
    with common_pass(bench, case) as watch:
        faults = [Fault(corrupt=0.01, seed=seed) for seed in range(times)]
        outcomes = [outcome for fault in faults for outcome in one_fault(bench, words, fault)]
        watch.saw(outcomes)
        wrong = sum(is_wrong(each, words) for each in outcomes)
        case.observes("wrong texts (TLS to Triton would notice)", wrong == 0, wrong, "0")
        case.exactly("broken sockets of clients", sum(o.kind == "cut" for o in outcomes), 0)
        case.at_most("slowest", max(each.seconds for each in outcomes), DEADLINE, slack=2)
        case.holds("how they ended", True, ends(outcomes), "right or an error")


@pytest.mark.whole
@pytest.mark.timeout(900)
@pytest.mark.case("A8", "corrupted bytes from Triton, 40 times")
def test_a8_corrupted(bench: Bench, case: Case, words: Words) -> None:
    corrupted(bench, case, words, 40)
