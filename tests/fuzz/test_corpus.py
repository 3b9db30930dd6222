"""The kept corpus, and bytes of all kinds, through every target of the fuzzer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import read_corpus
from tests.fuzz.targets import TARGETS
from tests.live.servers import PROJECT

pytestmark = pytest.mark.case("D3", "Random bytes and a kept corpus for all that reads bytes")


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_inputs(name: str) -> None:
    inputs = read_corpus(name)
    assert inputs
    for each in inputs:
        TARGETS[name](each)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_inputs_beside_the_kept_ones(name: str, data: st.DataObject) -> None:
    """One of them with a part replaced, or bytes that are like none."""
    start = data.draw(st.sampled_from([b"", *read_corpus(name)]))
    at = data.draw(st.integers(0, len(start)))
    gone, new = data.draw(st.integers(0, 8)), data.draw(st.binary(max_size=16))
    TARGETS[name](start[:at] + new + start[at + gone :])


def test_every_file_of_the_corpus_has_its_target() -> None:
    kept = {path.stem for path in (PROJECT / "tests/fuzz/corpus").iterdir()}
    assert kept == set(TARGETS)
