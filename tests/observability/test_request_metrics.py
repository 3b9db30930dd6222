"""Tokens, the times between them, phases and endings, as requests go on and at their end."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability import metrics
from app.observability.exposition import metrics_text
from app.observability.gauges import follow
from app.observability.metrics import Answered
from app.observability.request_metrics import count_running
from app.tally import GAP_SECONDS, TokenTimes
from tests.observability.samples import Samples
from tests.observability.tallies import STARTED, Choice, begun, finished
from tests.observability.test_metrics import Load

GAPS = "time_between_tokens_seconds"


@pytest.fixture(autouse=True)
def models() -> None:
    follow({"one": Load(), "two": Load()})


def read() -> Samples:
    return Samples(metrics_text().decode())


class Gained:
    """What the numbers have gained since this was made."""

    def __init__(self) -> None:
        self.before = read()

    def __call__(self, name: str, **labels: str) -> float:
        return read().value(name, **labels) - self.before.value(name, **labels)


def test_tokens_count_while_they_come_and_each_once() -> None:
    gained = Gained()
    choices = [Choice("stop"), Choice("length")]
    tally = begun("one", 5, choices)
    choices[0].came(0.5)
    choices[1].came(0.5, 3)
    count_running()
    assert gained("prompt_tokens_total", model="one") == 5
    assert gained("completion_tokens_total", model="one") == 4
    count_running()
    choices[0].came(0.7, 2)
    metrics.request_answered(Answered("/v1/x", "one", 200, STARTED, STARTED + 1, tally))
    count_running()
    assert gained("prompt_tokens_total", model="one") == 5
    assert gained("completion_tokens_total", model="one") == 6
    assert gained("request_prompt_tokens_sum", model="one") == 5
    assert gained("request_completion_tokens_sum", model="one") == 6
    assert gained("choices_finished_total", model="one", finish_reason="stop") == 1
    assert gained("choices_finished_total", model="one", finish_reason="length") == 1


def test_the_times_between_tokens() -> None:
    gained = Gained()
    choice = Choice("stop")
    tally = begun("one", 1, [choice])
    # What comes with the first has no time of its own; four that come together share theirs.
    for at, num_tokens in ((0.5, 2), (0.512, 1), (0.912, 4)):
        choice.came(at, num_tokens)
        count_running()
    metrics.request_answered(Answered("/v1/x", "one", 200, STARTED, STARTED + 1, tally))
    assert gained(f"{GAPS}_count", model="one") == 5
    assert gained(f"{GAPS}_sum", model="one") == pytest.approx(0.412)
    assert gained(f"{GAPS}_bucket", model="one", le="0.015") == 1
    assert gained(f"{GAPS}_bucket", model="one", le="0.075") == 1
    assert gained(f"{GAPS}_bucket", model="one", le="0.15") == 5


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 9)), min_size=1, max_size=30))
def test_the_sum_and_count_are_those_of_the_stream(steps: list[tuple[float, int]]) -> None:
    times, now, tokens = TokenTimes(), 1.0, 0
    for gap, num_new in steps:
        now += gap
        tokens += num_new
        times.note(tokens, lambda now=now: now)
    assert sum(times.num_gaps) == tokens - steps[0][1]
    assert times.last_at - times.first_at == pytest.approx(sum(gap for gap, _ in steps[1:]))
    over = sum(new for gap, new in steps[1:] if gap / new > GAP_SECONDS[-1] + 1e-6)
    assert times.num_gaps[-1] >= over


def test_what_brings_no_token_is_no_gap() -> None:
    times = TokenTimes()
    times.note(0)
    assert times.num_tokens == 0
    assert not times.first_at
    times.note(1, lambda: 1.0)
    times.note(1, lambda: 9.0)
    times.note(2, lambda: 1.5)
    assert times.last_at == 1.5
    assert sum(times.num_gaps) == 1


def test_phases_and_the_first_token() -> None:
    gained = Gained()
    metrics.request_answered(finished("/v1/x", "one", 200))
    for phase, seconds in (("prepare", 0.1), ("first_token", 0.3), ("decode", 0.4)):
        labels = {"model": "one", "phase": phase}
        assert gained("phase_seconds_count", **labels) == 1
        assert gained("phase_seconds_sum", **labels) == pytest.approx(seconds)
    assert gained("time_to_first_token_seconds_sum", model="one") == pytest.approx(0.5)
    assert gained("answer_seconds_sum", model="one") == pytest.approx(2.0)


@pytest.mark.parametrize(("status", "reason"), [(499, "abort"), (502, "error"), (200, "stop")])
def test_how_a_choice_ended_that_its_model_did_not_end(status: int, reason: str) -> None:
    gained = Gained()
    choice = Choice(None)
    tally = begun("two", 1, [choice])
    choice.came(0.5)
    metrics.request_answered(Answered("/v1/x", "two", status, STARTED, STARTED + 1, tally))
    assert gained("choices_finished_total", model="two", finish_reason=reason) == 1
    assert gained("answer_seconds_count", model="two") == (status == 200)
    assert gained("completion_tokens_total", model="two") == 1


def test_a_reason_that_nobody_knows_is_no_label() -> None:
    tally = begun("two", 1, [Choice("made up")])
    metrics.request_answered(Answered("/v1/x", "two", 200, STARTED, STARTED + 1, tally))
    assert read().value("choices_finished_total", model="two", finish_reason="-") == 1
    assert "made up" not in read().labels("finish_reason")


def test_a_request_that_is_dropped_is_not_kept() -> None:
    gained = Gained()
    tally = begun("one", 3, [])
    count_running()
    tally.prompt_tokens = 9
    del tally
    gc.collect()
    count_running()
    assert gained("prompt_tokens_total", model="one") == 3


def test_a_request_without_a_place_used_nothing() -> None:
    gained = Gained()
    metrics.request_answered(Answered("/v1/x", "one", 400, STARTED, STARTED + 1))
    assert gained("answer_seconds_count", model="one") == 0
    assert gained("phase_seconds_count", model="one", phase="prepare") == 0
    assert gained("requests_total", route="/v1/x", model="one", status="400") == 1
