"""vLLM's names are other names of the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.observability import metrics
from app.observability.exposition import metrics_text
from app.observability.gauges import follow
from app.observability.instruments import PREFIX
from app.observability.vllm_names import ALIASES, LABELS, VLLM_PREFIX, Alias
from app.observability.worker_files import FOLDER, SLOT
from tests.observability.samples import Samples, Series
from tests.observability.tallies import finished
from tests.observability.test_metrics import Load

PROJECT = Path(__file__).parents[2]
# Of the names of a family's series.
ENDINGS = ("", "_total", "_bucket", "_sum", "_count")
PAIRS = [(name, alias) for name, aliases in ALIASES.items() for alias in aliases]
IDS = [alias.name for _, alias in PAIRS]

WORK = """
import sys
from tests.observability.test_vllm_names import busy
from app.observability.exposition import metrics_text
busy()
sys.stdout.write(metrics_text().decode())
"""


def busy() -> None:
    """Requests of every kind."""
    follow({"one": Load(3, 2), "two": Load()})
    for status in (200, 499, 502):
        metrics.request_answered(finished("/v1/x", "one", status))
    metrics.request_queued("one", 0.1)
    metrics.request_answered(finished("/v1/x", "two", 200))


@pytest.fixture(scope="module")
def own() -> Samples:
    busy()
    return Samples(metrics_text().decode())


@pytest.fixture(scope="module")
def of_workers(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Two workers, one after the other."""
    folder = str(tmp_path_factory.mktemp("workers"))
    for slot in ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-c", WORK],
            cwd=PROJECT,
            env={**os.environ, FOLDER: folder, SLOT: slot},
            capture_output=True,
            text=True,
            check=True,
        )
    return Samples(ran.stdout)


def series(
    samples: Samples, family: str, labels: Mapping[str, str], without: Mapping[str, str]
) -> dict[Series, float]:
    """A family's series by what follows its name, with labels renamed, or left out."""
    return {
        (
            name.removeprefix(family),
            frozenset((labels.get(key, key), value) for key, value in pairs - without.items()),
        ): found
        for (name, pairs), found in samples.values.items()
        if name.startswith(family) and name.removeprefix(family) in ENDINGS
        if without.items() <= pairs
    }


@pytest.mark.parametrize("fixture", ["own", "of_workers"])
@pytest.mark.parametrize(("name", "alias"), PAIRS, ids=IDS)
def test_the_numbers_are_the_same(
    name: str, alias: Alias, fixture: str, request: pytest.FixtureRequest
) -> None:
    samples: Samples = request.getfixturevalue(fixture)
    ours = series(samples, PREFIX + name, LABELS, alias.only)
    theirs = series(samples, VLLM_PREFIX + alias.name, {}, {})
    assert ours
    assert any(ours.values())
    assert theirs == ours
    kinds = {samples.types[PREFIX + name], samples.types[VLLM_PREFIX + alias.name]}
    assert len(kinds) == 1


def test_what_is_no_model_has_no_such_name(own: Samples) -> None:
    assert "-" not in own.labels("model_name")
    assert {"stop", "length", "abort", "error"} <= own.labels("finished_reason")


def test_they_can_be_left_out(own: Samples) -> None:
    text = metrics_text(has_vllm_names=False).decode()
    assert VLLM_PREFIX not in text
    ours = {name for name, _ in own.values if not name.startswith(VLLM_PREFIX)}
    assert {name for name, _ in Samples(text).values} == ours
