"""Reasoning that nobody is shown must not look like a dead connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.applications import END_ID, LLM, token_ids
from tests.scripted_triton import Generated, ScriptedHttpTriton, ScriptedTriton
from tests.services.tool_model import tool_client

THOUGHTS = "<think>" + "one small boat " * 90 + "</think>Home."


def test_hidden_reasoning_sends_signs_of_life(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    client = tool_client(tmp_path, triton, http_triton)
    is_seen = threading.Event()

    def script(request: Any, context: Any) -> Iterator[Any]:
        for answer in Generated([*token_ids(THOUGHTS), END_ID])(request, context):
            yield answer
            is_seen.wait(0.02)

    triton.script = script
    body = {
        "model": LLM,
        "messages": [{"role": "user", "content": "a"}],
        "include_reasoning": False,
        "stream": True,
    }
    data = ""
    # The silence between two comments is 0.1 s here, and the reasoning takes far longer.
    for piece in client.post("/v1/chat/completions", json=body).iter_encoded():
        data += piece.decode()
        if data.count(": keep-alive") >= 3:
            is_seen.set()
    assert is_seen.is_set()
    assert "boat" not in data
    assert '"finish_reason":"stop"' in data
