"""The numbers of several workers, of which some have ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.worker_files import FOLDER, SLOT, forget_live, free_slot
from tests.observability.samples import Samples

PROJECT = Path(__file__).parents[2]

WORK = """
from app.observability import metrics
metrics.set_models(["one"])
metrics.request_opened()
metrics.model_load("one", 2, 1)
from app.observability import request_metrics
from app.tally import Tally
tally = Tally(3)
request_metrics.begin("one", tally)
metrics.request_answered(metrics.Answered("/x", "one", 200, 1.0, 1.5, tally))
"""
LOOK = """
import sys
from app.observability.exposition import metrics_text
sys.stdout.write(metrics_text().decode())
"""


def run(program: str, folder: Path, slot: int) -> str:
    environment = {**os.environ, FOLDER: str(folder), SLOT: str(slot)}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@given(st.sets(st.integers(0, 20)))
def test_a_worker_gets_the_lowest_free_slot(taken: set[int]) -> None:
    slot = free_slot(taken)
    assert slot not in taken
    assert set(range(slot)) <= taken


def test_only_the_gauges_of_that_slot_are_forgotten(tmp_path: Path) -> None:
    kept = ["counter_1.db", "histogram_1.db", "gauge_livesum_11.db", "gauge_livemax_0.db"]
    for name in [*kept, "gauge_livesum_1.db", "gauge_livemax_1.db"]:
        (tmp_path / name).touch()
    forget_live(tmp_path, 1)
    forget_live(tmp_path, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_what_cannot_be_removed_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> NoReturn:
        raise PermissionError

    path = tmp_path / "gauge_livesum_1.db"
    path.touch()
    monkeypatch.setattr(Path, "unlink", refused)
    forget_live(tmp_path, 1)
    assert path.exists()


def test_workers_add_up_and_what_an_ended_one_counted_stays(tmp_path: Path) -> None:
    run(WORK, tmp_path, 0)
    run(WORK, tmp_path, 1)
    files = sorted(path.name for path in tmp_path.iterdir())
    both = Samples(run(LOOK, tmp_path, 1))
    assert both.value("requests_total", route="/x", model="one", status="200") == 2
    assert both.value("prompt_tokens_total", model="one") == 6
    assert both.value("request_duration_seconds_count", route="/x", model="one") == 2
    assert both.value("request_duration_seconds_bucket", route="/x", model="one", le="+Inf") == 2
    assert both.value("requests_running", model="one") == 4
    assert both.value("open_requests") == 2

    forget_live(tmp_path, 0)
    left = Samples(run(LOOK, tmp_path, 1))
    assert left.value("prompt_tokens_total", model="one") == 6
    assert left.value("requests_running", model="one") == 2
    assert left.value("open_requests") == 1

    # The next one in its place goes on with its counters, and begins its gauges.
    run(WORK, tmp_path, 0)
    again = Samples(run(LOOK, tmp_path, 1))
    assert again.value("prompt_tokens_total", model="one") == 9
    assert again.value("open_requests") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == files
