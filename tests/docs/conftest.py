"""The configuration that the pages speak of."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.environment import DEMO
from demo.triton import TritonServer
from tests.live.entries import PATIENT
from tests.live.servers import write_configuration


@pytest.fixture(scope="session")
def demo_configuration(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The demo's own three models."""
    minilm: dict[str, object] = {
        "url": tritonserver.http_url,
        "path": str(DEMO / "models/all-minilm-l6-v2"),
    }
    chat: dict[str, object] = {"url": tritonserver.grpc_url, "path": str(DEMO / "models/demo-chat")}
    for model in (minilm, chat):
        model["timeouts"] = PATIENT
    content: dict[str, object] = {
        "llm": [{"name": "demo-chat", **chat}],
        "embedding": [{"name": "all-minilm-l6-v2", **minilm}],
        "rerank": [{"name": "minilm-reranker", **minilm, "max_tokens": 512}],
    }
    return write_configuration(tmp_path_factory.mktemp("demo") / "model_config.json", content)
