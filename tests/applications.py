"""Real applications on small real tokenizers, configured into a temporary folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from app import create_app
from app.settings import Settings
from demo.ports import free_ports
from tests.tokenizers.cached import folder, tokenizer

LLM = "chat/model-1"
EMBEDDING = "embedder"
RERANKER = "reranker"

# Longer than a busy machine takes for an answer; the default is a second to connect.
TIMEOUTS = {"connect": 60, "first_token": 60, "between_tokens": 60, "total": 120}

# An end that the test tokenizer knows: <|im_end|>.
END_ID = 2
MAX_LEN = 64

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def language_model(address: str | list[str], **more: Any) -> dict[str, Any]:
    """An `llm` entry; `more` changes it."""
    return {
        "name": LLM,
        "url": address,
        "path": str(folder("byte_level_bpe")),
        "chat_template": "chatml.jinja",
        # The scripts answer one prompt in each call.
        "batch_size": 1,
        "timeouts": TIMEOUTS,
        **more,
    }


def standard_configuration(
    grpc: str | list[str],
    http: str | list[str],
    *,
    llm: Mapping[str, Any] | None = None,
    **info: Any,
) -> dict[str, Any]:
    """One model of each kind. `llm` and `info` change the language model's two entries."""
    encoder = {"url": http, "path": str(folder("wordpiece")), "timeouts": TIMEOUTS}
    facts = {"name": LLM, "start_id": 0, "end_id": END_ID, "max_len": MAX_LEN, **info}
    return {
        "model_infos": [facts],
        "llm": [language_model(grpc, **(llm or {}))],
        "embedding": [{"name": EMBEDDING, **encoder, "max_tokens": 32}],
        "rerank": [{"name": RERANKER, **encoder, "max_tokens": 32}],
    }


def write_configuration(base: Path, content: Any) -> Path:
    """The configuration file, with the chat template beside it."""
    (base / "chatml.jinja").write_text(TEMPLATE)
    path = base / "models.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def build_application(base: Path, configuration: Any, **settings: str) -> Flask:
    """The application; `settings` are environment variables."""
    path = write_configuration(base, configuration)
    return create_app(Settings.load({"CONFIG_FILE": str(path), **settings}))


def token_ids(text: str) -> list[int]:
    """The language model's tokens of a text."""
    return tokenizer("byte_level_bpe").encode(text)


def closed_port() -> int:
    """A port on which nobody listens."""
    return free_ports(1)[0]
