"""A configuration that is published while a worker loads the one before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import application
from app.lifecycle.service_folder import VARIABLE, ServiceFolder, Snapshot
from app.services.catalogue import Catalogue
from app.settings import Settings
from tests.applications import closed_port
from tests.live.waiting import wait_until
from tests.tokenizers.cached import folder as tokenizer_folder


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceFolder]:
    made = ServiceFolder.create()
    monkeypatch.setenv(VARIABLE, str(made.path))
    yield made
    made.remove()


def snapshot(path: Path, *names: str) -> Snapshot:
    """A configuration with these embedding models."""
    url, tokenizer = f"127.0.0.1:{closed_port()}", str(tokenizer_folder("wordpiece"))
    models = [{"name": name, "url": url, "path": tokenizer, "max_tokens": 32} for name in names]
    return Snapshot(path, {path: json.dumps({"embedding": models})})


def test_it_is_taken_over(
    tmp_path: Path, folder: ServiceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "models.json"
    folder.publish(snapshot(path, "old"))
    build = application.build_catalogue

    def slow(*args: Any) -> Catalogue:
        made = build(*args)
        monkeypatch.setattr(application, "build_catalogue", build)
        folder.publish(snapshot(path, "old", "new"))
        return made

    monkeypatch.setattr(application, "build_catalogue", slow)
    app = application.build(Settings.load({"CONFIG_FILE": str(path)}))

    def served() -> list[str]:
        return [model.spec.name for model in app.extensions["openai_api"].catalogue]

    wait_until(lambda: served() == ["old", "new"], "the models of the second configuration")
