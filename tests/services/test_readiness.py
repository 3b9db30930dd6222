"""Why a model is not ready: the client is told in our words, the log in all there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.application import load_catalogue
from app.registry.files import ConfigurationFiles
from app.services.readiness import readiness
from app.settings import Settings
from tests.applications import EMBEDDING, LLM, standard_configuration, write_configuration
from tests.scripted_triton import Closed, Reply, ScriptedHttpTriton, ScriptedTriton


def close() -> Reply:
    raise Closed


def test_the_log_tells_what_the_report_does_not(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    caplog: pytest.LogCaptureFixture,
) -> None:
    http_triton.ready = close
    content = standard_configuration(triton.address, http_triton.address)
    path = write_configuration(tmp_path, content)
    report = readiness(
        load_catalogue(Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles())
    )
    assert report["models"][LLM] == {"ready": True, "tritons": {"ready": 1, "total": 1}}
    cause = report["models"][EMBEDDING]["cause"]
    told = [record.getMessage() for record in caplog.records if EMBEDDING in record.getMessage()]
    assert len(told) == 1
    assert "HTTPConnectionClosed" in told[0]
    assert "HTTPConnectionClosed" not in cause
