"""Every configuration file on a page is one that `openai-api check-config` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from tests.docs.configurations import all_configurations, with_folders
from tests.docs.pages import Block


@pytest.mark.parametrize("block", all_configurations(), ids=str)
def test_it_has_no_mistake(
    block: Block, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model_config.json"
    file.write_text(json.dumps(with_folders(block.text)))
    assert main(["check-config", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "is valid" in printed
    assert "warning: " not in printed.replace("  warning: ", "")
