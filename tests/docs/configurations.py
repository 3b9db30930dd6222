"""The configuration files on the pages, with folders and Tritons that the tests have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from demo.environment import DEMO
from demo.triton import TritonServer
from tests.docs.pages import PAGES, Block, blocks
from tests.live.contracts import LANGUAGE_MODEL
from tests.live.entries import PATIENT
from tests.tokenizers.cached import folder

SECTIONS = {"model_infos", "llm", "embedding", "rerank"}
# A part of a folder's name, and the kind of its tokenizer; others get the demo's folder.
KINDS = {"chatglm2": "chatglm2", "baichuan2": "baichuan2", "llama-2": "llama_first"}
# The folders of models with tools have a template with tools.
TEMPLATES = {"hermes": "qwen.jinja", "llama3_json": "llama3.jinja"}
# The models of the tests' Triton that have the tensors of a backend.
CONTRACTS = {
    "fastertransformer": "demo-chat",
    "tensorrt_llm": "trt-llm",
    "vllm": "vllm",
    "embedding": "all-minilm-l6-v2",
    "rerank": "minilm-reranker",
}


def is_configuration(block: Block) -> bool:
    """Whether a block of JSON is a whole configuration file."""
    try:
        content = json.loads(block.text)
    except ValueError:
        return False
    return isinstance(content, dict) and bool(content) and content.keys() <= SECTIONS


def all_configurations() -> list[Block]:
    """Those of all pages."""
    return [
        block
        for page in PAGES
        for block in blocks(page)
        if block.language == "json" and not block.not_run and is_configuration(block)
    ]


def with_folders(text: str) -> Any:
    """A configuration's content with small folders of the same kinds."""
    content = json.loads(text)
    for section in SECTIONS & content.keys() - {"model_infos"}:
        for entry in content[section]:
            entry["path"] = str(_folder(section, entry["path"]))
            if "tool_call_parser" in entry:
                entry.setdefault("chat_template", TEMPLATES[entry["tool_call_parser"]])
    return content


def with_tritons(text: str, triton: TritonServer) -> Any:
    """The same with models of the tests' Triton that have the tensors of each entry's backend."""
    content = with_folders(text)
    for section in SECTIONS & content.keys() - {"model_infos"}:
        is_llm = section == "llm"
        for entry in content[section]:
            kind = entry.get("backend", "fastertransformer") if is_llm else section
            entry["triton_model"] = CONTRACTS[kind]
            entry["url"] = triton.grpc_url if is_llm else triton.http_url
            entry["timeouts"] = PATIENT
            if not is_llm:
                entry["path"] = str(DEMO / "models" / "all-minilm-l6-v2")
    return content


def _folder(section: str, path: str) -> Path:
    if section != "llm":
        return folder("wordpiece")
    name = path.rpartition("/")[2].lower()
    kind = next((kind for part, kind in KINDS.items() if part in name), None)
    return folder(kind) if kind else LANGUAGE_MODEL
