"""Tracing that is off costs nothing, and one that cannot be is told at the start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.observability import tracing
from app.settings import Settings
from tests.applications import (
    standard_configuration,
    write_configuration,
)
from tests.scripted_triton import (
    ScriptedHttpTriton,
    ScriptedTriton,
)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
    ],
)
def test_what_cannot_be_done_is_told(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        tracing.check(Settings.load({"TRACING": "true"}))
    assert [problem.path for problem in caught.value.problems] == [variable]
    tracing.check(Settings.load({}))


WITHOUT_PACKAGES = """
import sys
sys.modules["opentelemetry"] = None
from app.cli import main
sys.exit(main(["serve"]))
"""


def test_missing_packages_are_told_at_the_start(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    content = standard_configuration(triton.address, http_triton.address)
    path = write_configuration(tmp_path, content)
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_PACKAGES],
        env={"CONFIG_FILE": str(path), "TRACING": "true", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert found.returncode == 2
    assert "TRACING: needs packages: install openai_api[tracing], or unset it" in found.stderr
    assert "Traceback" not in found.stderr


UNTRACED = """
import sys
from app import create_app
create_app()
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_without_tracing_nothing_of_it_is_loaded(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    content = standard_configuration(triton.address, http_triton.address)
    path = write_configuration(tmp_path, content)
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    found = subprocess.run(
        [sys.executable, "-c", UNTRACED],
        env={"CONFIG_FILE": str(path), **endpoint},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert found.stdout.strip() == "[]"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set, and TRACING is not" in found.stderr
