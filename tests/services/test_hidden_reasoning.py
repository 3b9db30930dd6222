"""Reasoning that nobody is shown must not look like a dead connection."""

from __future__ import annotations

from pathlib import Path

from tests.applications import END_ID, LLM, token_ids
from tests.scripted_triton import Generated, ScriptedHttpTriton, ScriptedTriton
from tests.services.tool_model import tool_client

THOUGHTS = "<think>" + "one small boat " * 12 + "</think>Home."


def test_hidden_reasoning_sends_signs_of_life(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    client = tool_client(tmp_path, triton, http_triton)
    triton.script = Generated([*token_ids(THOUGHTS), END_ID], delay=0.02)
    body = {
        "model": LLM,
        "messages": [{"role": "user", "content": "a"}],
        "include_reasoning": False,
        "stream": True,
    }
    data = client.post("/v1/chat/completions", json=body).data.decode()
    # The silence between two comments is 0.1 s here, and the reasoning takes far longer.
    assert data.count(": keep-alive") >= 3
    assert "boat" not in data
    assert '"finish_reason":"stop"' in data
