"""Every form of embedding and rerank models on a real Triton."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.cli import main
from demo.environment import DEMO, ensure_environment
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.encoders import EMBEDDINGS, FIXED, RERANKERS, SIZE, write_encoders
from tests.live.entries import PATIENT
from tests.live.fixtures import started
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.tokenizers.cl100k import cl100k_file, encode

TEXTS = ["A cat sits on the mat.", "你好，世界 😊", "The weather is fine.", "cat", "a", "b c d"]
LONG = "The weather is fine today. " * 100
DOCUMENTS = ["one", "one two three four five six", "one two", "one two three four"]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A configuration of every form, with its Triton running."""
    ensure_environment(print)
    repository = write_encoders(tmp_path_factory.mktemp("encoders"))
    path = str(DEMO / "models" / "all-minilm-l6-v2")
    with started(TritonServer([repository], *free_ports(3))) as server:
        common = {"url": server.http_url, "path": path, "timeouts": PATIENT}
        openai = {**common, "triton_model": "pooled-fp32", "token_input": "cl100k"}
        sections: dict[str, Any] = {
            "embedding": [
                *({"name": name, **common} for name in EMBEDDINGS),
                {"name": "openai-ids", **openai},
            ],
            "rerank": [
                {
                    "name": name,
                    **common,
                    "output_config": {"process": "softmax" if name == "logits-two" else None},
                }
                for name in RERANKERS
            ],
        }
        file = tmp_path_factory.mktemp("configuration") / "models.json"
        yield write_configuration(file, sections)


@pytest.fixture(scope="module")
def server(configuration: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("gateway") / "log"
    with running("gunicorn", configuration, log, CL100K_FILE=str(cl100k_file())) as gateway:
        yield gateway


def post(server: Server, path: str, **body: Any) -> Any:
    answer = server.post(path, body)
    assert answer.status == 200, answer.body
    return answer.json()


def vectors(server: Server, model: str, given: Any, **fields: Any) -> Any:
    answer = post(server, "/v1/embeddings", model=model, input=given, **fields)
    return np.array([item["embedding"] for item in answer["data"]])


@pytest.mark.parametrize("model", EMBEDDINGS)
def test_every_form_gives_the_same_vectors(server: Server, model: str) -> None:
    expected, found = vectors(server, "pooled-fp32", TEXTS), vectors(server, model, TEXTS)
    if "tokens" in model or model in ("fixed-width", "no-batching"):
        # The folder says mean.
        expected = vectors(server, "tokens-fp32", TEXTS)
    assert found.shape == (len(TEXTS), SIZE)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(found, expected, atol=0.02)


def test_the_reference_is_what_the_model_computes(server: Server) -> None:
    """So that the forms are not the same only because all are wrong."""
    ids = np.array(post(server, "/tokenize", model="pooled-fp32", prompt=TEXTS[0])["tokens"])
    mean = np.sin(ids[:, None] * np.arange(1, SIZE + 1)).mean(0)
    for model in ("pooled-fp32", "tokens-fp32"):
        found = vectors(server, model, TEXTS[0])[0]
        assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-3)


@pytest.mark.parametrize(("model", "longest"), [("fixed-width", FIXED), ("tokens-fp16", 256)])
def test_long_texts_are_cut_to_what_the_model_takes(
    server: Server, model: str, longest: int
) -> None:
    answer = post(server, "/v1/embeddings", model=model, input=["a", LONG, LONG])
    short = post(server, "/v1/embeddings", model=model, input="a")["usage"]["prompt_tokens"]
    assert answer["usage"]["prompt_tokens"] == short + 2 * longest


def test_ids_of_openai_are_the_text(server: Server) -> None:
    ids = [encode(text) for text in TEXTS]
    assert np.allclose(
        vectors(server, "openai-ids", ids), vectors(server, "pooled-fp32", TEXTS), atol=1e-6
    )


def test_many_texts_of_a_fixed_batch(server: Server) -> None:
    texts = [f"text number {index} " * (index % 5 + 1) for index in range(30)]
    assert np.allclose(
        vectors(server, "fixed-rows", texts), vectors(server, "pooled-fp32", texts), atol=1e-5
    )


@pytest.mark.parametrize("model", RERANKERS)
def test_every_form_gives_the_same_scores(server: Server, model: str) -> None:
    body = {"model": model, "query": "number", "documents": DOCUMENTS}
    results = post(server, "/v1/rerank", **body)["results"]
    assert [item["index"] for item in results] == [1, 3, 2, 0]
    for item in results:
        pair = 3 + 1 + len(DOCUMENTS[item["index"]].split())
        logistic = 1 / (1 + np.exp(-(pair - 12) / 8))
        assert item["relevance_score"] == pytest.approx(logistic, abs=2e-3)
    raw = post(
        server, "/v1/score", model=model, text_1="number", text_2="one", use_activation=False
    )
    assert raw["data"][0]["score"] == pytest.approx((5 - 12) / 8, abs=5e-3)


def test_check_config_knows_every_form(
    configuration: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CL100K_FILE", str(cl100k_file()))
    code = main(["check-config", str(configuration), "--connect"])
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    lines = printed.out.splitlines()
    limit = f"its tensors hold {FIXED} tokens, not 256: longer inputs are cut to them"
    assert f"fixed-width: ready; {limit}" in lines
    assert {f"{name}: ready" for name in (*EMBEDDINGS, *RERANKERS)} - set(lines) == {
        "fixed-width: ready"
    }
