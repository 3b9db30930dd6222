"""What gunicorn's master runs at the start and for each SIGHUP."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.lifecycle.service_folder import ServiceFolder
from app.publish_config import main
from tests.applications import closed_port, standard_configuration, write_configuration
from tests.test_cli import VARIABLES

SECRET = "hunter2"


@pytest.fixture
def folder(tmp_path: Path) -> ServiceFolder:
    path = tmp_path / "service"
    path.mkdir()
    return ServiceFolder(path)


@pytest.fixture
def content() -> dict[str, Any]:
    address = f"127.0.0.1:{closed_port()}"
    return standard_configuration(address, address)


@pytest.fixture
def publish(
    folder: ServiceFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any], int]:
    """Writes the file and runs the check."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CONFIG_FILE", str(tmp_path / "models.json"))

    def run(written: Any) -> int:
        write_configuration(tmp_path, written)
        return main(folder)

    return run


def test_what_is_right_is_published_whole_and_for_nobody_else(
    publish: Callable[[Any], int], folder: ServiceFolder, content: dict[str, Any], tmp_path: Path
) -> None:
    assert folder.edition() is None
    assert publish(content) == 0
    snapshot = folder.snapshot()
    assert snapshot.path == tmp_path / "models.json"
    assert {path.name for path in snapshot.texts} == {"models.json", "chatml.jinja"}
    assert all(path.read_text() == text for path, text in snapshot.texts.items())
    (file,) = folder.path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_each_is_an_edition_of_its_own(
    publish: Callable[[Any], int], folder: ServiceFolder, content: dict[str, Any]
) -> None:
    publish(content)
    first = folder.edition()
    publish(content)
    assert folder.edition() not in (first, None)


def test_a_new_folder_is_closed_to_others() -> None:
    created = ServiceFolder.create()
    try:
        assert stat.S_IMODE(created.path.stat().st_mode) == 0o700
    finally:
        created.remove()
    assert not created.path.exists()


def changed(section: str, **keys: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[section][0].update(keys)


def without(section: str, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content[section][0].pop(key)


# How a file is broken: an edit of a good one, or its whole text.
BROKEN: dict[str, Callable[[dict[str, Any]], Any] | str] = {
    "empty": "",
    "cut": '{"llm": [{"name": ',
    "a list": "[]",
    "a number": "1e999",
    "too deep": "[" * 100_000,
    "an unknown section": lambda content: content.update(lm=[]),
    "an unknown key": changed("llm", ulr="localhost:1"),
    "no name": without("llm", "name"),
    "no url": without("embedding", "url"),
    "no path": without("rerank", "path"),
    "two of a name": lambda content: content["llm"].append(content["llm"][0]),
    "a url without a port": changed("llm", url="localhost"),
    "a url that is a number": changed("llm", url=8001),
    "an absent folder": changed("embedding", path="absent"),
    "a folder without a tokenizer": changed("rerank", path="empty"),
    "an absent template": changed("llm", chat_template="absent.jinja"),
    "a template that is not one": changed("llm", chat_template="broken.jinja"),
    "a template in another encoding": changed("llm", chat_template="gbk.jinja"),
    "an unknown backend": changed("llm", backend="onnx"),
    "a text for a number": changed("llm", max_inflight="many"),
    "a negative wait": changed("llm", max_queue_wait=-1),
    "an infinite time": changed("llm", timeouts={"total": float("inf")}),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_told_and_leaves_the_last_one(
    publish: Callable[[Any], int],
    folder: ServiceFolder,
    content: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.jinja").write_text("{% for")
    (tmp_path / "gbk.jinja").write_bytes("{{ '你好' }}".encode("gbk"))
    assert publish(content) == 0
    folder.note_served()
    edition, snapshot = folder.edition(), folder.snapshot()
    how = BROKEN[kind]
    if not isinstance(how, str):
        how(content)
    monkeypatch.setattr(logging.getLogger("app"), "propagate", True)
    caplog.clear()
    assert publish(how if isinstance(how, str) else content) == 2
    assert (folder.edition(), folder.snapshot()) == (edition, snapshot)
    assert "not reloaded" in caplog.messages[-1]
    assert len(caplog.messages) > 1
    assert all("\n" not in message for message in caplog.messages)


def test_a_file_that_is_gone_is_told(
    publish: Callable[[Any], int], folder: ServiceFolder, content: dict[str, Any], tmp_path: Path
) -> None:
    assert publish(content) == 0
    edition = folder.edition()
    (tmp_path / "models.json").unlink()
    assert main(folder) == 2
    assert folder.edition() == edition


def test_a_password_in_an_address_is_not_logged(
    publish: Callable[[Any], int],
    content: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    content["llm"][0]["url"] = f"grpc://user:{SECRET}@triton"
    assert publish(json.loads(json.dumps(content))) == 2
    assert SECRET not in capsys.readouterr().err
