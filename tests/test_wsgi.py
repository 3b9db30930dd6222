"""The exit codes of a worker that cannot start, by which gunicorn decides what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot
from app.settings import PROJECT_ROOT
from tests.test_cli import VARIABLES

BROKEN = """
import app
def create_app():
    raise ValueError("of ours")
app.create_app = create_app
import wsgi
"""


def start(code: str = "import wsgi", **environ: str) -> subprocess.CompletedProcess[str]:
    """Load the application as a WSGI host does."""
    kept = {name: text for name, text in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT_ROOT,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> ServiceFolder:
    """A master's, whose configuration has become unusable."""
    path = tmp_path / "models.json"
    text = '{"embedding": [{"name": "e", "url": "localhost:1", "path": "absent"}]}'
    found = ServiceFolder(tmp_path)
    found.publish(Snapshot(path, {path: text}))
    return found


def test_the_first_one_ends_the_service(folder: ServiceFolder) -> None:
    found = start(**{VARIABLE: str(folder.path)})
    assert found.returncode == 4
    assert "embedding[0].path" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_later_one_is_tried_again(folder: ServiceFolder) -> None:
    folder.note_served()
    found = start(**{VARIABLE: str(folder.path)})
    assert found.returncode == 1
    (line,) = [line for line in found.stderr.splitlines() if "cannot start" in line]
    assert "embedding[0].path" in line
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize("text", ['{"rerank": 5}', '{"llm": 5, "embedding": 6}'])
def test_each_problem_is_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "models.json"
    folder = ServiceFolder(tmp_path)
    folder.publish(Snapshot(path, {path: text}))
    folder.note_served()
    found = start(**{VARIABLE: str(folder.path)})
    told = [line for line in found.stderr.splitlines() if "another is tried: " in line]
    assert len(told) == text.count(":")
    assert not any("ConfigurationError" in line for line in told)


def test_a_fault_of_ours_has_its_traceback(folder: ServiceFolder) -> None:
    folder.note_served()
    found = start(BROKEN, **{VARIABLE: str(folder.path)})
    assert found.returncode == 1
    assert "this worker cannot start, another is tried" in found.stderr
    assert "ValueError: of ours" in found.stderr
    assert "in create_app" in found.stderr


def test_other_hosts_read_the_file_and_say_what_they_cannot_do(tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text("{}")
    found = start(CONFIG_FILE=str(path))
    assert found.returncode == 0
    assert found.stderr.count("restart it to change models") == 1
