"""The scripted Tritons and the application in front of them, for the tests of every layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings

from tests.applications import build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

# A busy machine is no failure.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

# The real Triton and the server in front of it; the fault cases; how processes share the tests.
pytest_plugins = ("tests.live.fixtures", "tests.faults.plugin", "tests.schedule")


@pytest.fixture(scope="session")
def _triton() -> Iterator[ScriptedTriton]:
    triton = ScriptedTriton()
    yield triton
    triton.stop()


@pytest.fixture(scope="session")
def _http_triton() -> Iterator[ScriptedHttpTriton]:
    triton = ScriptedHttpTriton()
    yield triton
    triton.stop()


@pytest.fixture
def triton(_triton: ScriptedTriton) -> ScriptedTriton:
    """A Triton that serves a language model over gRPC."""
    _triton.reset()
    return _triton


@pytest.fixture
def http_triton(_http_triton: ScriptedHttpTriton) -> ScriptedHttpTriton:
    """A Triton that serves embedding and rerank models over HTTP."""
    _http_triton.reset()
    return _http_triton


@pytest.fixture
def app(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Flask:
    """The application with a language model, an embedding model and a reranker."""
    return build_application(tmp_path, standard_configuration(triton.address, http_triton.address))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of that application."""
    return app.test_client()


@pytest.fixture(scope="session")
def _shared_app(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Flask:
    configuration = standard_configuration(_triton.address, _http_triton.address)
    return build_application(tmp_path_factory.mktemp("shared"), configuration)


@pytest.fixture
def shared_client(
    _shared_app: Flask, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> FlaskClient:
    """The same for all tests that leave the models' contracts as they are."""
    for model in _shared_app.extensions["openai_api"].catalogue:
        # A Triton that failed in the last test is not left alone in this one.
        model.backend.replicas._known = {}
    return _shared_app.test_client()
