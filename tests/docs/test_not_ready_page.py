"""docs/how-to/find-why-not-ready.md: what it says that `check-config` says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.docs.pages import PROJECT, code_spans, rows
from tests.live.entries import PATIENT

PAGE = PROJECT / "docs" / "how-to" / "find-why-not-ready.md"
CAUSES = [code_spans(row["it says"])[0] for row in rows(PAGE, "What it says of a model", "it says")]
CHAT, MINILM = str(DEMO / "models" / "demo-chat"), str(DEMO / "models" / "all-minilm-l6-v2")
# What is wrong with an entry: its section and keys, in the order of the page.
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing listens": ("llm", {"url": "nowhere"}),
    "the HTTP port": ("llm", {"url": "http"}),
    "the gRPC port": ("embedding", {"url": "grpc"}),
    "no such model": ("llm", {"triton_model": "NAME"}),
    "another backend": ("llm", {"triton_model": "vllm"}),
    "another model": ("llm", {"triton_model": "all-minilm-l6-v2", "backend": "tensorrt_llm"}),
    "strange inputs": ("embedding", {"triton_model": "demo-chat"}),
    "a reranker": ("embedding", {"triton_model": "minilm-reranker"}),
    "a mistake": ("llm", {"chat_template": "llama9.jinja"}),
}


def test_every_cause_is_tried() -> None:
    assert len(CAUSES) == len(WRONG)


@pytest.mark.parametrize(
    ("cause", "wrong"), list(zip(CAUSES, WRONG.values(), strict=True)), ids=WRONG
)
def test_check_config_says_so(
    cause: str,
    wrong: tuple[str, dict[str, Any]],
    tritonserver: TritonServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    section, keys = wrong
    is_llm = section == "llm"
    addresses = {
        "nowhere": f"127.0.0.1:{free_ports(1)[0]}",
        "http": tritonserver.http_url,
        "grpc": tritonserver.grpc_url,
    }
    right = addresses["grpc" if is_llm else "http"]
    entry = {
        "name": "m",
        "path": CHAT if is_llm else MINILM,
        "triton_model": "demo-chat" if is_llm else "all-minilm-l6-v2",
        "timeouts": PATIENT,
        **keys,
        "url": addresses.get(keys.get("url", ""), right),
    }
    file = tmp_path / "model_config.json"
    file.write_text(json.dumps({section: [entry]}))
    main(["check-config", str(file), "--connect"])
    assert cause in capsys.readouterr().out
