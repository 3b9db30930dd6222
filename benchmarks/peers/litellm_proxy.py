"""LiteLLM's proxy in front of an OpenAI upstream: its configuration and its environment.

What its production page asks for, without what costs time: no key to check, no database, no
request logs. https://docs.litellm.ai/docs/proxy/prod
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "LITELLM_MODE": "PRODUCTION",  # reads no .env file
    "LITELLM_LOG": "ERROR",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a table of prices at its start
    "LITELLM_TELEMETRY": "False",
}


def write_configuration(path: Path, upstream: str, models: Sequence[str]) -> Path:
    """A configuration with one deployment for each model; JSON is YAML."""
    content = {
        "model_list": [_deployment(upstream, model) for model in models],
        "litellm_settings": {"request_timeout": 600, "set_verbose": False, "num_retries": 0},
        "general_settings": {
            "disable_error_logs": True,
            # Without a key there is nothing to check; it refuses to start so unless told.
            "dangerously_permit_weak_or_unset_master_key": True,
        },
    }
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def _deployment(upstream: str, model: str) -> dict[str, Any]:
    parameters = {"model": f"openai/{model}", "api_base": f"{upstream}/v1", "api_key": "none"}
    return {"model_name": model, "litellm_params": parameters}
