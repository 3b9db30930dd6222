"""`openai-api models`: what a server serves, and whether it can."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from app.commands.command import add_command, add_server_flags

if TYPE_CHECKING:
    from app.client.model_list import Model
    from app.commands.command import Commands

SUMMARY = "list a server's models and whether they are ready"
DESCRIPTION = """List the models of any server of the OpenAI API. A server of this kind also tells
each model's task and longest input, and how many of its Tritons are ready;
others leave that unknown."""
EXAMPLES = (
    ("the server on this machine", "openai-api models"),
    ("for a program", "openai-api models --url http://gateway:5100 --json"),
)
HEADINGS = ("MODEL", "TASK", "TOKENS", "READY", "TRITONS", "CAUSE")
READY = {True: "yes", False: "no", None: "unknown"}
TIMEOUT = 30.0


def add_to(commands: Commands) -> None:
    """Its arguments."""
    parser = add_command(commands, "models", SUMMARY, _run, description=DESCRIPTION, shown=EXAMPLES)
    add_server_flags(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(parsed: argparse.Namespace) -> int:
    models = _read(parsed.url, parsed.key_env)
    if parsed.json:
        print(json.dumps({"models": [_as_json(model) for model in models]}, indent=2))
        return 0
    from app.terminal.tables import print_table

    rows = [_row(model) for model in models]
    has_causes = any(model.cause for model in models)
    width = len(HEADINGS) if has_causes else len(HEADINGS) - 1
    print_table(HEADINGS[:width], [row[:width] for row in rows])
    return 0


def _read(url: str, key_variable: str) -> list[Model]:
    from app.client.address import ServerAddress
    from app.client.connection import Connection, key_from
    from app.client.model_list import list_models, read_readiness, with_readiness

    connection = Connection(ServerAddress.parse(url), key_from(key_variable), TIMEOUT)
    try:
        models = list_models(connection)
        reports = read_readiness(connection)
    finally:
        connection.close()
    return [with_readiness(model, reports.get(model.name)) for model in models]


def _row(model: Model) -> tuple[str, ...]:
    tritons = "" if model.num_tritons is None else f"{model.num_ready}/{model.num_tritons}"
    return (
        model.name,
        model.task or "unknown",
        "unknown" if model.max_tokens is None else str(model.max_tokens),
        READY[model.is_ready],
        tritons or "unknown",
        model.cause or "",
    )


def _as_json(model: Model) -> dict[str, object]:
    known = model.num_tritons is not None
    return {
        "id": model.name,
        "task": model.task,
        "max_model_len": model.max_tokens,
        "ready": model.is_ready,
        "tritons": {"ready": model.num_ready, "total": model.num_tritons} if known else None,
        "cause": model.cause,
    }
