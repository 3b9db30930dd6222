"""The configuration of the server that the live tests talk to: every model under every name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from app.types import REASONING_PARSERS, TOOL_CALL_PARSERS
from demo.environment import DEMO
from demo.variants import VARIANTS

LANGUAGE_MODELS = ("demo-chat", *(name for name in VARIANTS if name.startswith("ft-")))
EMBEDDING_MODELS = ("all-minilm-l6-v2", *(name for name in VARIANTS if name.startswith("embed-")))

# Machines that run tests are busy, and a connection that takes long is not what is tested.
PATIENT: Mapping[str, float] = {"connect": 20}
# Of a scripted Triton, that waits for its test.
LONG: Mapping[str, float] = {"connect": 60, "first_token": 120, "between_tokens": 120, "total": 300}

# Keys of a Triton model's entry under its own name.
OWN_KEYS: Mapping[str, Mapping[str, Any]] = {
    "ft-drain": {"cancel": "drain"},
    "ft-parrot": {
        "chat_template": "qwen.jinja",
        "tool_call_parser": "hermes",
        "reasoning_parser": "think",
    },
}
FIM_TEMPLATE = "<|im_start|>user\n{suffix}{prefix}<|im_end|>"
# Further names for the parrot, which says what it is told: one for each way of writing calls and
# reasoning, all with the template whose user turns it looks for.
PARROTS: Mapping[str, Mapping[str, Any]] = {
    **{f"parrot-{kind}": {"tool_call_parser": kind} for kind in TOOL_CALL_PARSERS},
    **{f"parrot-{kind}": {"reasoning_parser": kind} for kind in REASONING_PARSERS},
    "parrot-fim": {"fim_template": FIM_TEMPLATE},
}


def entries(grpc_url: str, http_url: str) -> dict[str, Any]:
    """The sections of a configuration that names every model of the tests' Triton."""
    chat, minilm = str(DEMO / "models/demo-chat"), str(DEMO / "models/all-minilm-l6-v2")

    def llm(name: str, **keys: Any) -> dict[str, Any]:
        entry = {"name": name, "url": grpc_url, "path": chat, "timeouts": PATIENT}
        return {**entry, "cancel": "rpc", **keys}

    def encoder(name: str) -> dict[str, Any]:
        return {"name": name, "url": http_url, "path": minilm, "timeouts": PATIENT}

    return {
        "llm": [
            *(llm(name, **OWN_KEYS.get(name, {})) for name in LANGUAGE_MODELS),
            *(
                llm(name, triton_model="ft-parrot", chat_template="qwen.jinja", **keys)
                for name, keys in PARROTS.items()
            ),
            # The same model, with answers of one request in one call.
            llm("demo-chat-batched", triton_model="demo-chat", batch_size=8),
        ],
        "embedding": [encoder(name) for name in EMBEDDING_MODELS],
        "rerank": [encoder("minilm-reranker")],
    }


def only(sections: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The same configuration with these models alone, which is sooner loaded."""
    return {
        kind: [entry for entry in models if entry["name"] in names]
        for kind, models in sections.items()
    }


def unhurried(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The same configuration, whose models wait long for their Triton."""
    timeouts = {"llm": LONG, "embedding": {"connect": 60}, "rerank": {"connect": 60}}
    slow = {
        kind: [{**entry, "timeouts": limits} for entry in sections[kind]]
        for kind, limits in timeouts.items()
    }
    return {**sections, **slow}
