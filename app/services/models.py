"""https://platform.openai.com/docs/api-reference/models"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from app.registry import ModelRegistry, ModelSpec


def list_models(registry: ModelRegistry, created: int) -> dict[str, Any]:
    """Every configured model. `created` is the server's start in Unix seconds."""
    return {"object": "list", "data": [describe(spec, created) for spec in registry]}


def describe(spec: ModelSpec, created: int) -> dict[str, Any]:
    """One model in OpenAI's shape with vLLM's permissions, its task and its context in tokens."""
    return {
        "id": spec.name,
        "object": "model",
        "created": created,
        "owned_by": "openai_api",
        "root": spec.name,
        "parent": None,
        "permission": [_permission(spec.name, created)],
        "max_model_len": spec.max_model_len,
        "task": spec.task.value,
    }


def _permission(name: str, created: int) -> dict[str, Any]:
    return {
        # The same on every worker, so it follows from the name.
        "id": f"modelperm-{sha256(name.encode()).hexdigest()[:24]}",
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
