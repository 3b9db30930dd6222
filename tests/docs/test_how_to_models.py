"""The guides that add a model: their entries serve models of the tests' Triton, which are asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli import main
from demo.triton import TritonServer
from tests.docs.commands import run_curl
from tests.docs.configurations import is_configuration, with_tritons
from tests.docs.pages import PROJECT, Block, blocks
from tests.live.contracts import LANGUAGE_MODEL
from tests.live.http import Server
from tests.live.servers import running, write_configuration

GUIDES = sorted((PROJECT / "docs" / "how-to").glob("add-*.md"))
REQUESTS = [
    block for page in GUIDES for block in blocks(page) if block.run_by.endswith(Path(__file__).name)
]


def entry_of(page: Path) -> Block:
    """The only configuration of a guide."""
    (block,) = (each for each in blocks(page) if each.language == "json" and is_configuration(each))
    return block


@pytest.fixture(scope="module")
def all_entries(tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with the entries of all guides."""
    content: dict[str, list[object]] = {}
    for page in GUIDES:
        for section, entries in with_tritons(entry_of(page).text, tritonserver).items():
            content.setdefault(section, []).extend(entries)
    return write_configuration(tmp_path_factory.mktemp("guides") / "models.json", content)


@pytest.fixture(scope="module")
def served(all_entries: Path) -> Iterator[Server]:
    content = json.loads(all_entries.read_text())
    for entry in content["llm"]:
        # The vocabulary of the model that answers: no other tokenizer can read its tokens.
        entry["path"] = str(LANGUAGE_MODEL)
    file = write_configuration(all_entries.with_name("served.json"), content)
    with running("gunicorn", file, file.with_name("log")) as server:
        yield server


def test_every_guide_has_a_request() -> None:
    assert {block.page for block in REQUESTS} == set(GUIDES)
    assert len(GUIDES) == 7


def test_the_entries_fit_their_models(
    all_entries: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check-config", str(all_entries), "--connect"]) == 0
    printed = capsys.readouterr().out.splitlines()
    content = json.loads(all_entries.read_text())
    for section in content.keys() - {"model_infos"}:
        for entry in content[section]:
            assert f"{entry['name']}: ready" in printed


@pytest.mark.parametrize("block", REQUESTS, ids=str)
def test_the_models_answer(block: Block, served: Server) -> None:
    body, status = run_curl(block.text, served.url)
    assert status == "200", body
    if '"stream": true' in block.text:
        assert body.endswith("data: [DONE]\n\n"), body
