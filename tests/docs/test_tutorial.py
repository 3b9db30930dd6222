"""The second half of docs/tutorial.md, step by step: add a model, break it, find out why."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.docs import outputs
from tests.docs.commands import ENVIRONMENT, run_shell
from tests.docs.pages import PROJECT, Block, blocks
from tests.docs.servers import started

PAGE = PROJECT / "docs" / "tutorial.md"
FILE = "my_models.json"
ADDRESS = "http://localhost:5300"
TRITON = "localhost:8001"


def steps() -> list[Block]:
    """The blocks from "Add a model" on, in order."""
    found = blocks(PAGE)
    (first,) = (index for index, block in enumerate(found) if '"model_infos"' in block.text)
    return found[first:]


# Its steps in Chinese.
QUICK_START = PROJECT / "docs" / "zh" / "quick-start.md"
ADDED, CHECK, READY, SERVE, ASK, STORY, *BROKEN = steps()
LOOK, NOT_READY, MISSING, CHECK_AGAIN, WHY, CHECK_FILE, MISTAKES = BROKEN


def written(folder: Path, triton: TritonServer, *change: str) -> Path:
    """The file of the tutorial, with the address of the tests' Triton and after a `change`."""
    content = json.loads(ADDED.text.replace(*change) if change else ADDED.text)
    for entry in content["llm"]:
        entry["url"] = triton.grpc_url
        for key in entry.keys() & {"path", "pth"}:
            assert entry[key] == "demo/models/demo-chat"
            entry[key] = str(DEMO / "models" / "demo-chat")
        # The machine may be busy.
        entry["timeouts"] = {"connect": 20}
    file = folder / FILE
    file.write_text(json.dumps(content))
    return file


def run(command: Block, file: Path, triton: TritonServer) -> tuple[int, str]:
    """The exit code of a command and all that it writes, with the names that the page has."""
    done = subprocess.run(
        ["bash", "-uc", command.text.replace(FILE, str(file))],
        cwd=PROJECT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    written = done.stdout.replace(triton.grpc_url, TRITON).replace(str(file), FILE)
    return done.returncode, written


def test_the_commands_are_where_the_page_says() -> None:
    assert CHECK.text.splitlines()[0] == "source .venv/bin/activate"
    assert (PROJECT / ".venv" / "bin" / "activate").is_file()


def test_the_added_model_is_ready(tmp_path: Path, tritonserver: TritonServer) -> None:
    file = written(tmp_path, tritonserver)
    assert run(CHECK, file, tritonserver) == (0, READY.text)


def test_the_added_model_answers(tmp_path: Path, tritonserver: TritonServer) -> None:
    file = written(tmp_path, tritonserver)
    with serving(file, tmp_path) as address:
        outputs.assert_alike(STORY.text, run_shell(ASK.text.replace(ADDRESS, address), ""))


def test_why_a_broken_model_is_not_ready(tmp_path: Path, tritonserver: TritonServer) -> None:
    file = written(tmp_path, tritonserver, '"demo-chat"', '"demo-chta"')
    with serving(file, tmp_path) as address:
        outputs.assert_alike(NOT_READY.text, run_shell(LOOK.text.replace(ADDRESS, address), ""))
        outputs.assert_alike(MISSING.text, run_shell(ASK.text.replace(ADDRESS, address), ""))
    assert run(CHECK_AGAIN, file, tritonserver) == (1, WHY.text)


def test_mistakes_are_told_without_a_triton(tmp_path: Path, tritonserver: TritonServer) -> None:
    file = written(tmp_path, tritonserver, '"path"', '"pth"')
    code, told = run(CHECK_FILE, file, tritonserver)
    assert code == 2
    assert outputs.same_but_left_out(MISTAKES.text, told), told


@contextmanager
def serving(file: Path, logs: Path) -> Iterator[str]:
    """The tutorial's second server; its address."""
    (port,) = free_ports(1)
    command = SERVE.text.strip().replace("5300", str(port)).replace(FILE, str(file))
    with started({port: command}, file, logs):
        yield f"http://localhost:{port}"


def test_the_quick_start_in_chinese_has_the_same_steps() -> None:
    own = [block.text for block in blocks(QUICK_START) if block.run_by]
    assert own == [step.text for step in (ADDED, CHECK, SERVE, ASK, LOOK, CHECK_AGAIN)]
    (told,) = (block.text for block in blocks(QUICK_START) if block.language == "text")
    assert told in WHY.text


@pytest.mark.parametrize("block", [block for block in steps() if block.run_by], ids=str)
def test_the_page_names_this_file(block: Block) -> None:
    assert PROJECT / block.run_by == Path(__file__)
