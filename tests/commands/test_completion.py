"""`openai-api completion`: the scripts, in real shells."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.running import environment, run

# What bash does when Tab is pressed behind these words, the last of which is begun.
PRESS_TAB = """
source "$1"; shift
COMP_WORDS=(openai-api "$@")
COMP_CWORD=$#
COMP_LINE="openai-api $*"
COMP_POINT=${#COMP_LINE}
complete -p openai-api >/dev/null
function=$(complete -p openai-api | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function" openai-api "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    found = run("completion", "bash")
    assert (found.returncode, found.stderr) == (0, "")
    path = tmp_path_factory.mktemp("completion") / "openai-api"
    path.write_text(found.stdout)
    return path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ch"], {"check-config", "chat"}),
        (["serve", "--po"], {"--port"}),
        (["chat", "--s"], {"--system", "--seed"}),
        (["bench", "--e"], {"--embeddings"}),
        (["add-model", "--task", "e"], {"embed"}),
        (["completion", ""], {"bash", "zsh", "tcsh"}),
    ],
)
def test_bash_completes(script: Path, words: list[str], found: set[str]) -> None:
    command = ["bash", "--norc", "-c", PRESS_TAB, "bash", str(script), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env=environment({})
    )
    assert {line.strip() for line in done.stdout.split()} >= found, done.stderr
    if words[-1]:
        assert all(line.startswith(words[-1]) for line in done.stdout.split())


def test_files_are_completed_where_files_are_wanted(script: Path, tmp_path: Path) -> None:
    (tmp_path / "some-models.json").touch()
    command = ["bash", "--norc", "-c", PRESS_TAB, "bash", str(script), "check-config", "some"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["some-models.json"]


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_the_other_shells_scripts(shell: str, tmp_path: Path) -> None:
    found = run("completion", shell)
    assert found.returncode == 0
    for word in ("check-config", "add-model", "bench"):
        assert word in found.stdout
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(found.stdout)
        subprocess.run([shell, "-n", str(path)], check=True, timeout=120)


def test_an_unknown_shell_is_told_the_known() -> None:
    found = run("completion", "fish")
    assert found.returncode == 2
    assert "'bash', 'zsh', 'tcsh'" in found.stderr


def test_eval_of_the_script_in_a_shell(script: Path) -> None:
    """As the help says it is set up."""
    command = f'eval "$({sys.executable} -m app completion bash)"; complete -p openai-api'
    done = subprocess.run(
        ["bash", "--norc", "-euc", command],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=environment({}),
    )
    assert "-F" in done.stdout
