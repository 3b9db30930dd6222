"""What a reloaded catalogue keeps of the one before."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.application import load_catalogue
from app.registry.files import ConfigurationFiles
from app.services.catalogue import Catalogue
from app.settings import Settings
from tests.applications import EMBEDDING, LLM, RERANKER, standard_configuration, write_configuration
from tests.tokenizers.cached import folder

Load = Callable[..., Catalogue]


@pytest.fixture
def content() -> dict[str, Any]:
    return standard_configuration("127.0.0.1:1", "127.0.0.1:2")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a configuration after the one that is given."""

    def loaded(content: dict[str, Any], previous: Catalogue | None = None) -> Catalogue:
        template = tmp_path / "chatml.jinja"
        kept = template.read_text() if template.exists() else None
        path = write_configuration(tmp_path, content)
        if kept is not None:
            template.write_text(kept)
        settings = Settings.load({"CONFIG_FILE": str(path)})
        return load_catalogue(settings, ConfigurationFiles(), previous)

    return loaded


def test_what_has_not_changed_is_the_same(load: Load, content: dict[str, Any]) -> None:
    first = load(content)
    second = load(content, first)
    assert all(second.model(name) is first.model(name) for name in (LLM, EMBEDDING, RERANKER))


def test_a_model_that_moves_in_the_file_is_the_same(load: Load, content: dict[str, Any]) -> None:
    first = load(content)
    content["llm"].insert(0, {**content["llm"][0], "name": "another"})
    content["model_infos"].append({**content["model_infos"][0], "name": "another"})
    second = load(content, first)
    assert second.model(LLM) is first.model(LLM)
    assert second.model("another").tokenizer is first.model(LLM).tokenizer


def test_a_changed_entry_gives_a_new_model_with_the_same_tokenizer(
    load: Load, content: dict[str, Any]
) -> None:
    first = load(content)
    content["llm"][0]["max_inflight"] = 3
    content["embedding"].clear()
    second = load(content, first)
    assert second.model(LLM) is not first.model(LLM)
    assert second.model(LLM).spec.max_inflight == 3
    assert second.model(LLM).tokenizer is first.model(LLM).tokenizer
    assert second.model(RERANKER) is first.model(RERANKER)
    assert EMBEDDING not in {model.spec.name for model in second}


def test_a_changed_template_gives_a_new_model(
    load: Load, content: dict[str, Any], tmp_path: Path
) -> None:
    first = load(content)
    (tmp_path / "chatml.jinja").write_text("{{ messages[0].content }}")
    second = load(content, first)
    assert second.model(LLM) is not first.model(LLM)
    assert second.model(EMBEDDING) is first.model(EMBEDDING)


def test_a_changed_folder_gives_a_new_tokenizer(
    load: Load, content: dict[str, Any], tmp_path: Path
) -> None:
    own = tmp_path / "model"
    shutil.copytree(folder("wordpiece"), own)
    content["embedding"][0]["path"] = str(own)
    first = load(content)
    os.utime(own / "tokenizer.json", ns=(1, 1))
    second = load(content, first)
    assert second.model(EMBEDDING).tokenizer is not first.model(EMBEDDING).tokenizer
    assert second.model(RERANKER) is first.model(RERANKER)


def test_kept_texts_do_not_change_with_the_files(
    load: Load, content: dict[str, Any], tmp_path: Path
) -> None:
    path = write_configuration(tmp_path, content)
    settings, files = Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles()
    first = load_catalogue(settings, files)
    path.unlink()
    (tmp_path / "chatml.jinja").write_text("{% broken")
    second = load_catalogue(settings, ConfigurationFiles(files.texts), first)
    assert second.model(LLM) is first.model(LLM)


@pytest.mark.parametrize(("section", "name"), [("llm", LLM), ("embedding", EMBEDDING)])
def test_a_removed_model_of_the_start_leaves_nothing_behind(
    load: Load, content: dict[str, Any], section: str, name: str
) -> None:
    """Though the garbage collector does not look at what a worker has started with."""
    first = load(content)
    gc.collect()
    gc.freeze()
    try:
        replicas = weakref.ref(first.model(name).backend.replicas)
        content[section].clear()
        second = load(content, first)
        del first
        gc.collect()
        assert name not in {model.spec.name for model in second}
        assert replicas() is None
    finally:
        gc.unfreeze()
