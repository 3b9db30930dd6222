"""What models share."""

from __future__ import annotations

from pathlib import Path

from tests.applications import LLM, build_application, standard_configuration


def test_models_of_one_folder_share_its_tokenizer(tmp_path: Path) -> None:
    configuration = standard_configuration("localhost:1", "localhost:2")
    catalogue = build_application(tmp_path, configuration).extensions["openai_api"].catalogue
    embedder, reranker = catalogue.model("embedder"), catalogue.model("reranker")
    assert embedder.tokenizer is reranker.tokenizer
    assert catalogue.model(LLM).tokenizer is not embedder.tokenizer
