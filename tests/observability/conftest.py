"""Applications that are traced, and what collects their traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.observability import tracing
from tests.applications import build_application, standard_configuration
from tests.live.collector import Collector, collecting, told_to
from tests.observability.traces import Build
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def build_traced(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Build]:
    """Makes a client of an application that is traced; its tracing ends with the test."""

    def built(environment: dict[str, str] | None = None, **settings: str) -> FlaskClient:
        for name, value in told_to(collector, **(environment or {})).items():
            monkeypatch.setenv(name, value)
        configuration = standard_configuration(triton.address, http_triton.address)
        app = build_application(tmp_path, configuration, TRACING="true", **settings)
        return app.test_client()

    yield built
    tracing.leave()
    if tracing._tracing is not None:
        tracing._tracing.end()
    # Not by monkeypatch, which would put the ended one back.
    tracing._tracing = None


@pytest.fixture
def traced(build_traced: Build) -> FlaskClient:
    """A client of the standard application, which is traced."""
    return build_traced()
