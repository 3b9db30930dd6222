"""Starting the server reaches nothing but this machine."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.applications import standard_configuration, write_configuration
from tests.supply.locks import PROJECT
from tests.supply.namespaces import unshare

HERE = Path(__file__).parent
NOBODY = "127.0.0.1:1"
# Each is a program; all read CONFIG_FILE.
CREATE_APP = "import app; app.create_app().test_client().get('/readyz')"
GUNICORN = """
import os, pathlib
from tests.live.servers import running
configuration = pathlib.Path(os.environ["CONFIG_FILE"])
with running("gunicorn", configuration, configuration.with_name("log")) as server:
    assert server.get("/health").status == 200
    assert server.get("/readyz").status == 503
    assert server.post("/v1/embeddings", {"model": "embedder", "input": "a"}).status == 503
"""
RESOLVE = "import socket; socket.getaddrinfo('example.org', 80)"
CONNECT = "import socket; socket.socket().connect(('192.0.2.1', 80))"
NATIVE = "import subprocess; subprocess.run(['getent', 'hosts', 'example.org'])"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of a guarded interpreter that is told to be online, with models that are away."""
    configuration = write_configuration(tmp_path, standard_configuration(NOBODY, NOBODY))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE / "guard"), str(PROJECT)]),
        "NETWORK_NOTES": str(notes_of(tmp_path)),
        "CONFIG_FILE": str(configuration),
        "HF_HUB_OFFLINE": "0",
    }


def notes_of(folder: Path) -> Path:
    return folder / "network-notes"


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300
    )


def test_making_the_application_reaches_nothing(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = run([sys.executable, "-c", CREATE_APP], environment)
    assert done.returncode == 0, done.stderr
    assert not notes_of(tmp_path).exists(), notes_of(tmp_path).read_text()


def test_a_worker_starts_and_answers_without_a_network(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """gunicorn, where the kernel has no route and counts who asks for one."""
    alone = [*unshare("--net"), sys.executable, str(HERE / "lonely.py")]
    done = run([*alone, sys.executable, "-c", GUNICORN], environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0\n"
    assert not notes_of(tmp_path).exists(), notes_of(tmp_path).read_text()


@pytest.mark.parametrize(("program", "event"), [(RESOLVE, "getaddrinfo"), (CONNECT, "connect")])
def test_the_guard_sees_python(
    environment: dict[str, str], tmp_path: Path, program: str, event: str
) -> None:
    done = run([sys.executable, "-c", program], environment)
    assert "the test allows no network" in done.stderr
    assert f"socket.{event}" in notes_of(tmp_path).read_text()


@pytest.mark.parametrize("program", [CONNECT, NATIVE])
def test_the_kernel_sees_everybody(program: str) -> None:
    alone = [*unshare("--net"), sys.executable, str(HERE / "lonely.py")]
    done = run([*alone, sys.executable, "-c", program], dict(os.environ))
    assert int(done.stdout) > 0


def test_the_environment_cannot_put_the_hub_online(environment: dict[str, str]) -> None:
    program = (
        "import app; app.create_app()\n"
        "import huggingface_hub.constants\n"
        "print(huggingface_hub.constants.HF_HUB_OFFLINE)"
    )
    done = run([sys.executable, "-c", program], environment)
    assert done.stdout == "True\n", done.stderr


def test_every_loader_is_told_to_stay_here() -> None:
    calls = [
        call
        for path in (PROJECT / "app").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and called(call) in LOADERS
    ]
    assert len(calls) >= 3
    for call in calls:
        words = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert words["local_files_only"] == "True", ast.unparse(call)
        assert words.get("trust_remote_code", "False") == "False", ast.unparse(call)


LOADERS = {"from_pretrained", "get_class_from_dynamic_module", "hf_hub_download", "cached_file"}


def called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]
