"""The models of the server whose playground is tested."""

from __future__ import annotations

from typing import Any

from demo.triton import TritonServer
from tests.live.entries import entries

# The demo's three; one of 20 tokens a second, to be stopped; one that says what it is told, with
# tool calls and reasoning.
MODELS = ("demo-chat", "ft-slow", "ft-parrot", "all-minilm-l6-v2", "minilm-reranker")
DEMO_MODELS = ("demo-chat", "all-minilm-l6-v2", "minilm-reranker")

# What the server with keys wants.
KEY = "sk-a-key-of-the-tests"

# A token that the model never writes: `ft-slow` goes on until it is stopped, however late that is.
ENDLESS = {"name": "ft-slow", "end_id": 3}


def site_configuration(triton: TritonServer, names: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """The configuration of these models of the tests' Triton."""
    everything = entries(triton.grpc_url, triton.http_url)
    chosen = {
        section: [entry for entry in models if entry["name"] in names]
        for section, models in everything.items()
    }
    return {"model_infos": [ENDLESS], **chosen} if ENDLESS["name"] in names else chosen
