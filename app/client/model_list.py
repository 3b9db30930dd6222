"""https://platform.openai.com/docs/api-reference/models, and what this server adds to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.client.connection import Connection
from app.client.errors import ServerError, broken
from app.terminal.failures import CommandError

GENERATE = "generate"
OK_OR_NOT_READY = (200, 503)


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a server lists; None stands for what the server does not tell."""

    name: str
    task: str | None = None
    max_tokens: int | None = None
    is_ready: bool | None = None
    num_ready: int | None = None
    num_tritons: int | None = None
    cause: str | None = None


def list_models(connection: Connection) -> list[Model]:
    """The models in the server's order, without readiness. Raises ServerError."""
    content = connection.get("/v1/models").json()
    entries = content.get("data") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise broken("the server's list of models has no data; is it an OpenAI-compatible server?")
    return [_model(entry) for entry in entries if isinstance(entry, dict) and "id" in entry]


def read_readiness(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """What this server's /readyz says of each model; empty where another server answers."""
    try:
        answer = connection.get("/readyz")
        content = answer.content() if answer.status in OK_OR_NOT_READY else {}
    except ServerError:
        return {}
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, dict):
        return {}
    return {name: report for name, report in models.items() if isinstance(report, dict)}


def chosen_model(connection: Connection, name: str | None, task: str = GENERATE) -> str:
    """`name`, which is not looked up, or the first model for the task, if the server tells tasks.

    Raises:
        CommandError: the server has no model for the task.
    """
    if name is not None:
        return name
    models = list_models(connection)
    fitting = [model for model in models if model.task in (task, None)]
    if not fitting:
        raise CommandError(
            f"{connection.address} has no model for this", advice="Name one with --model."
        )
    return fitting[0].name


def _model(entry: Mapping[str, Any]) -> Model:
    task, length = entry.get("task"), entry.get("max_model_len")
    return Model(
        str(entry["id"]),
        task if isinstance(task, str) else None,
        length if isinstance(length, int) else None,
    )


def with_readiness(model: Model, report: Mapping[str, Any] | None) -> Model:
    """The model with what /readyz says of it."""
    if report is None:
        return model
    tritons = report.get("tritons")
    counts = tritons if isinstance(tritons, dict) else {}
    is_ready, cause = report.get("ready"), report.get("cause")
    return replace(
        model,
        is_ready=is_ready if isinstance(is_ready, bool) else None,
        num_ready=counts.get("ready"),
        num_tritons=counts.get("total"),
        cause=cause if isinstance(cause, str) else None,
    )
