"""The limits in docs/operations.md are those of the code."""

from __future__ import annotations

from gunicorn.config import Config

from app import worker
from app.schemas import (
    chat,
    completions,
    embeddings,
    generation,
    messages,
    rerank,
    tokenization,
    tools,
)
from app.services.input_checks import MAX_CHARACTERS_PER_TOKEN
from app.settings import TABLE
from app.web import json_body, json_size
from tests.docs.pages import PROJECT, rows

PAGE = PROJECT / "docs" / "operations.md"
MIB = 2**20


def test_the_limits_are_the_codes() -> None:
    shown = {row["limit"]: row["most"] for row in rows(PAGE, "Limits", "limit")}
    default = {setting.name: setting.default for setting in TABLE}
    gunicorn = Config()
    body_timeout = f"`BODY_TIMEOUT`, {default['body_timeout']:g} s"
    assert shown == {
        "request line": f"{gunicorn.limit_request_line:,} bytes",
        "header fields": (
            f"{gunicorn.limit_request_fields} of {gunicorn.limit_request_field_size:,} bytes each"
        ),
        "time for a request's head, and between two requests": "5 s",
        "body": f"`MAX_BODY_BYTES`, {default['max_body_bytes'] // MIB} MiB",
        "time for a body": body_timeout,
        "time for a write that stalls": body_timeout,
        "levels of JSON": f"{json_body.MAX_DEPTH}",
        "strings, keys, objects and lists of JSON": f"{json_size.MAX_NODES:,}",
        "items of lists of JSON": f"{json_size.MAX_ITEMS:,}",
        "characters of a prompt or a conversation": (
            f"{MAX_CHARACTERS_PER_TOKEN} for each token of the context"
        ),
        "messages, and parts of one": f"{messages.MAX_MESSAGES:,}, and {messages.MAX_PARTS}",
        "tools": f"{tools.MAX_TOOLS}, and {tools.MAX_TOOLS_BYTES:,} bytes as JSON",
        "`n`, `best_of`": f"{generation.MAX_CHOICES}",
        "prompts of a completion": (
            f"{completions.MAX_PROMPTS}, and {completions.MAX_ANSWERS} answers in all"
        ),
        "`stop`": f"{generation.MAX_STOP_STRINGS} of {generation.MAX_STOP_LENGTH} characters each",
        "`logit_bias`": f"{generation.MAX_BIASES} entries from -100 to 100",
        "`top_logprobs`": f"{chat.MAX_TOP_LOGPROBS}",
        "inputs of embeddings": f"{embeddings.MAX_INPUTS:,}",
        "documents of a rerank": f"{rerank.MAX_DOCUMENTS:,}",
        "characters of a prompt to `/tokenize`": f"{tokenization.MAX_CHARACTERS:,}",
    }
    assert f"{worker.MAX_REST // 1024} KiB of the request's body" in PAGE.read_text()
    assert "keepalive = 5\n" in (PROJECT / "gunicorn.conf.py").read_text()
