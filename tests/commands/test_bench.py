"""`openai-api bench`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.client.address import ServerAddress
from app.client.connection import Connection
from app.commands.bench.figures import Figures, Spread
from app.commands.bench.requests import Measured, Requests, measure, prompts, send_streamed
from tests.applications import closed_port
from tests.commands.other_server import Event, OtherServer, last_event, text_event
from tests.commands.running import CTRL_C, run, terminal
from tests.live.http import Server

USAGE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13}


def figures(*arguments: str) -> Any:
    """The figures of a bench whose requests are all answered."""
    found = run("bench", *arguments, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    return json.loads(found.stdout)


def test_streams_of_the_demo(gateway: Server) -> None:
    asked = ("--model", "demo-chat", "--requests", "6", "--concurrency", "3", "--max-tokens", "20")
    found = figures(gateway.url, *asked)
    assert (found["kind"], found["answered"], found["failed"]) == ("stream", 6, 0)
    assert 6 < found["completion_tokens"] <= 6 * 20
    assert found["prompt_tokens"] > 6 * 40
    times = found["milliseconds"]
    assert set(times) == {"first_token", "between_tokens", "between_events", "whole_answer"}
    assert 0 < times["first_token"]["mean"] <= times["whole_answer"]["mean"]
    for spread in times.values():
        assert spread["p50"] <= spread["p90"] <= spread["p99"] <= spread["max"]


def test_whole_answers_of_the_demo(gateway: Server) -> None:
    found = figures(gateway.url, "--model", "demo-chat", "--whole", "--requests", "2")
    assert (found["kind"], found["answered"]) == ("whole", 2)
    assert set(found["milliseconds"]) == {"whole_answer"}


def test_embeddings_of_the_demo(gateway: Server) -> None:
    found = figures(gateway.url, "--embeddings", "--requests", "3", "--prompt-tokens", "100")
    assert (found["kind"], found["model"]) == ("embeddings", "all-minilm-l6-v2")
    assert 3 * 70 < found["prompt_tokens"] < 3 * 160
    assert found["completion_tokens"] == 0


def test_the_report_says_what_it_is(gateway: Server) -> None:
    found = run(
        "bench", gateway.url, "--model", "demo-chat", "--requests", "2", "--max-tokens", "5"
    )
    assert (found.returncode, found.stderr) == (0, "")
    for text in ("2 answered, 0 failed", "tokens out", "first token", "p99", "make bench"):
        assert text in found.stdout
    assert [line for line in found.stdout.splitlines() if len(line) > 80] == []


def test_a_progress_bar_on_a_terminal(gateway: Server) -> None:
    with terminal("bench", gateway.url, "--model", "demo-chat", "--requests", "4") as screen:
        assert screen.code() == 0
        assert "/4" in screen.plain()
        assert "4 answered, 0 failed" in screen.plain()


def test_counts_of_another_server(other: OtherServer) -> None:
    other.answer = lambda _: [
        *(text_event(text) for text in "abc"),
        last_event(),
        {"choices": [], "usage": USAGE},
    ]
    found = figures(other.url, "--requests", "5", "--concurrency", "2")
    assert (found["prompt_tokens"], found["completion_tokens"]) == (50, 15)
    prompts = {request["messages"][0]["content"] for request in other.requests}
    assert len(prompts) == 5, "answers must not come from a cache"


def test_another_run_asks_something_else(other: OtherServer) -> None:
    """Otherwise the cache of prefixes is measured that the run before has filled."""
    for _ in range(2):
        figures(other.url, "--requests", "3")
    prompts = [request["messages"][0]["content"] for request in other.requests]
    assert len({tuple(text.split()[1:7]) for text in prompts}) == 6


def test_errors_are_counted_by_kind(other: OtherServer) -> None:
    def answer(body: dict[str, Any]) -> list[Event]:
        number = int(body["messages"][0]["content"].split(":")[0])
        return [text_event("a"), {"error": {"message": "lost"}} if number == 4 else last_event()]

    def refuse(body: dict[str, Any]) -> tuple[int, Any] | None:
        number = int(body["messages"][0]["content"].split(":")[0])
        return (429, {"error": {"message": "too many"}}) if number in (2, 3) else None

    other.answer, other.refuse = answer, refuse
    found = run("bench", other.url, "--requests", "6", "--json")
    assert found.returncode == 1
    counted = json.loads(found.stdout)
    assert (counted["answered"], counted["failed"]) == (3, 3)
    assert counted["errors"] == {"HTTP 429": 2, "error in the answer": 1}
    shown = run("bench", other.url, "--requests", "6").stdout
    assert "2 x HTTP 429: the server answered 429: too many" in shown


def test_ctrl_c_prints_what_there_is(other: OtherServer) -> None:
    begun, more = threading.Semaphore(0), threading.Event()

    def answer(body: dict[str, Any]) -> Iterator[Event]:
        number = int(body["messages"][0]["content"].split(":")[0])
        yield text_event("a")
        if number > 2:
            begun.release()
            while not more.wait(0.02):
                yield text_event(".")
        yield last_event()

    other.answer = answer
    with terminal("bench", other.url, "--requests", "100", "--concurrency", "2") as screen:
        for _ in range(2):
            assert begun.acquire(timeout=60)
        screen.expect("2/100")
        screen.type(CTRL_C)
        screen.expect("2 answered, 0 failed")
        screen.expect("stopped by Ctrl-C")
        assert screen.code() == 130
    assert other.gone.wait(60), "the server was not told"
    more.set()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--concurrency", "257"), "at most 256"),
        (("--requests", "0"), "not from 1"),
        (("--requests", "ten"), "ten is not from 1"),
        (("--whole", "--embeddings"), "not allowed with"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], told: str) -> None:
    found = run("bench", "http://localhost:1", *arguments)
    assert found.returncode == 2
    assert told in found.stderr


def test_nobody_answers() -> None:
    found = run("bench", f"localhost:{closed_port()}")
    assert (found.returncode, found.stdout) == (1, "")
    assert "refuses connections" in found.stderr


def test_figures() -> None:
    results = [
        Measured(seconds=1.0, first=0.1, last=0.5, prompt_tokens=3, completion_tokens=5),
        Measured(seconds=3.0, first=0.3, last=0.9, prompt_tokens=3, completion_tokens=4),
        Measured(error="timeout", message="late", seconds=9.0),
    ]
    found = Figures.of(results, 2.0)
    assert (found.num_answered, found.num_failed) == (2, 1)
    assert found.rate(found.completion_tokens) == 4.5
    assert found.spreads["first_token"].mean == pytest.approx(200)
    assert found.spreads["between_tokens"].mean == pytest.approx(150)
    assert found.spreads["whole_answer"].longest == 3000
    assert found.errors == {"timeout": (1, "late")}


def test_tokens_that_come_at_once_count() -> None:
    at_once = Measured(first=0.1, last=0.1, completion_tokens=3)
    apart = Measured(first=0.1, last=0.3, completion_tokens=3)
    found = Figures.of([at_once, apart], 1.0).spreads["between_tokens"]
    assert (found.mean, found.percentiles[50]) == (pytest.approx(50), 0)


def test_the_making_of_a_request_is_not_measured(other: OtherServer) -> None:
    now = 0.0

    def make(_: int) -> dict[str, Any]:
        nonlocal now
        now += 100.0
        return {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}

    connection = Connection(ServerAddress.parse(other.url), None, 60.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.commands.bench.requests.perf_counter", lambda: now)
        found = measure(Requests(make, send_streamed), connection, 1)
    connection.close()
    assert (found.error, found.seconds, found.first) == ("", 0.0, 0.0)


@pytest.mark.parametrize(("percent", "value"), [(50, 50_000), (90, 90_000), (99, 99_000)])
def test_percentiles_are_values_that_were_measured(percent: int, value: float) -> None:
    spread = Spread.of(float(number) for number in range(100, 0, -1))
    assert spread is not None
    assert spread.percentiles[percent] == value


def test_one_value_is_every_percentile() -> None:
    spread = Spread.of([0.25])
    assert spread is not None
    assert set(spread.as_json().values()) == {250}
    assert Spread.of([]) is None


@pytest.mark.parametrize("num_words", [1, 5, 400])
def test_prompts_have_about_so_many_words_and_a_beginning_of_their_own(num_words: int) -> None:
    texts = list(map(prompts(num_words), range(20)))
    assert len({text.split()[0] for text in texts}) == 20
    assert all(abs(len(text.split()) - num_words) <= 1 for text in texts)
