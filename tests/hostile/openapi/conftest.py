"""The application in front of Tritons that answer whatever they are asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app import create_app
from app.settings import Settings
from tests.applications import (
    EMBEDDING,
    END_ID,
    RERANKER,
    language_model,
    token_ids,
    write_configuration,
)
from tests.live.http import Server
from tests.live.servers import running
from tests.scripted_triton import (
    ENCODER_CONFIG,
    LLAMA_INPUTS,
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    encoder_of_scores,
    model_config,
    score_by_length,
    sent,
)
from tests.services.tool_model import CALL, TOOL_TEMPLATE
from tests.tokenizers.cached import folder

KEY = "sk-0123456789abcdef"
MAX_LEN = 512
VECTOR_SIZE = 8
# A thousand texts in a request are few calls.
LARGE_BATCHES = {"max_batch_size": 256}
# What FasterTransformer's models may declare too. Its beams have a shape that is not scripted.
MORE_INPUTS = (
    ("presence_penalty", "FP32", [1], True),
    ("frequency_penalty", "FP32", [1], True),
    ("min_length", "UINT32", [1], True),
)
TEXTS = ("Hello 你好 😊", f"<think>so</think>{CALL}", "<think>so", "")


def answers(request: Any, context: Any) -> Iterator[Any]:
    """Text, a call, reasoning that is cut, or nothing, as the prompt's length will have it."""
    (ids,) = sent(request)["input_ids"][1]
    text = TEXTS[len(ids) % len(TEXTS)]
    return Generated([*token_ids(text), END_ID], END_ID, step=3)(request, context)


def vectors(tensors: Any) -> Any:
    """`[B, S, VECTOR_SIZE]`, which depends on the ids."""
    ids = tensors["input_ids"]
    return np.stack([np.sin(ids + place) for place in range(VECTOR_SIZE)], axis=-1)


def configuration(llm: str, embedding: str, rerank: str) -> dict[str, Any]:
    """A model of each kind; the language model calls tools and reasons."""
    encoder = {
        "path": str(folder("wordpiece")),
        "max_tokens": 32,
        # The scripted Tritons are threads of a busy process.
        "timeouts": {"connect": 20, "total": 60},
    }
    entry = language_model(
        llm,
        chat_template="tools.jinja",
        tool_call_parser="hermes",
        reasoning_parser="think",
        template_kwargs=["enable_thinking", "style"],
        # Only a bound of memory here, and the requests of a test come one after another.
        max_inflight=16,
    )
    return {
        "model_infos": [
            {"name": entry["name"], "start_id": 0, "end_id": END_ID, "max_len": MAX_LEN}
        ],
        "llm": [entry],
        "embedding": [{"name": EMBEDDING, "url": embedding, **encoder}],
        "rerank": [{"name": RERANKER, "url": rerank, **encoder}],
    }


@pytest.fixture(scope="package")
def folder_of_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the configuration file, whose Tritons run."""
    base: Path = tmp_path_factory.mktemp("openapi")
    (base / "tools.jinja").write_text(TOOL_TEMPLATE)
    llm, embedding, rerank = ScriptedTriton(), ScriptedHttpTriton(), ScriptedHttpTriton()
    llm.config = model_config([*LLAMA_INPUTS[:-5], *MORE_INPUTS, *LLAMA_INPUTS[-3:]])
    llm.script = answers
    dims = ["-1", str(VECTOR_SIZE)]
    output = {"name": "last_hidden_state", "data_type": "TYPE_FP32", "dims": dims}
    embedding.config = {**ENCODER_CONFIG, "output": [output], **LARGE_BATCHES}
    embedding.infer = vectors
    rerank.config = {**encoder_of_scores(), **LARGE_BATCHES}
    rerank.infer = score_by_length
    rerank.output = "logits"
    content = configuration(llm.address, embedding.address, rerank.address)
    write_configuration(base, content)
    yield base
    for triton in (llm, embedding, rerank):
        triton.stop()


@pytest.fixture(scope="package")
def client(folder_of_configuration: Path) -> FlaskClient:
    """A client of the application."""
    path = folder_of_configuration / "models.json"
    return create_app(Settings.load({"CONFIG_FILE": str(path)})).test_client()


@pytest.fixture(scope="package")
def server(folder_of_configuration: Path) -> Iterator[Server]:
    """The application under gunicorn, which needs a key."""
    path, log = folder_of_configuration / "models.json", folder_of_configuration / "log"
    with running("gunicorn", path, log, API_KEYS=KEY) as server:
        yield server
