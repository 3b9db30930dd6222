"""A gateway whose models fail, each in its own way, and clients that ask them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import grpc

from tests.applications import END_ID, closed_port, language_model
from tests.clients.programs import Program, node_command, python_command
from tests.scripted_triton import Generated, ScriptedTriton, error_message, row_message, say, sent

# By name: how many clients each is.
PROGRAMS = {"openai-1": 2, "current": 2, "node": 1, "langchain": 1}
# Those who ask: OpenAI's library for Python does so in two ways.
CLIENTS = (
    "openai-1-sync",
    "openai-1-async",
    "current-sync",
    "current-async",
    "node",
    "langchain",
)
PATIENT = {"connect": 20, "first_token": 200, "between_tokens": 200, "total": 300}
IMPATIENT = {**PATIENT, "first_token": 0.5}
MAX_LEN = 1000
# It takes 225 s, longer than whatever a test does meanwhile.
STORY = Generated([100 + number % 50 for number in range(900)], END_ID, delay=0.25)
GATE = threading.Semaphore(0)
"""A gated model generates a token after the first for each release."""


def first_tokens(request: Any) -> list[Any]:
    """Messages with the first three tokens of a longer answer."""
    (prompt,) = sent(request)["input_ids"][1]
    return [
        row_message([*prompt, *range(100, 100 + count)], len(prompt) + count) for count in (1, 2, 3)
    ]


def gated(request: Any, context: Any) -> Iterator[Any]:
    """An answer of which the next token comes when somebody has seen the last one."""
    for message in Generated(range(100, 112), END_ID)(request, context):
        yield message
        GATE.acquire(timeout=200)


def silent(request: Any, context: Any) -> Iterator[Any]:
    yield from say(then_silent=200)(request, context)


def breaking(request: Any, context: Any) -> Iterator[Any]:
    """An answer that says it is longer than it is."""
    yield row_message([1, 2, 3], 4000)


def failing(request: Any, context: Any) -> Iterator[Any]:
    for each in first_tokens(request):
        yield each
        time.sleep(0.05)
    yield error_message("canary at /root/x")


def aborting(request: Any, context: Any) -> Iterator[Any]:
    """An answer that a server gives up which is stopping."""
    yield from first_tokens(request)
    context.abort(grpc.StatusCode.UNAVAILABLE, "canary at /root/x")


SCRIPTS = {
    "held": silent,
    "late": silent,
    "silent": silent,
    "bad": breaking,
    "fails": failing,
    "aborts": aborting,
    "story": STORY,
    "gated": gated,
    "good": Generated([100, 101, END_ID], END_ID),
}
KEYS: dict[str, dict[str, Any]] = {
    "held": {"max_inflight": 1, "max_queue": 0},
    "late": {"timeouts": IMPATIENT},
    "away": {"timeouts": {**PATIENT, "connect": 1}},
}


def play(request: Any, context: Any) -> Iterator[Any]:
    """What the model does that the request names: its name begins with a name of SCRIPTS."""
    yield from SCRIPTS[request.model_name.partition("-")[0]](request, context)


def configuration(triton: ScriptedTriton, programs: Sequence[str]) -> dict[str, Any]:
    """Every model once for each program, so that no program sees the traces of another's failures.

    Nobody listens where `away` is.
    """
    away = f"127.0.0.1:{closed_port()}"
    names = [f"{kind}-{program}" for kind in (*SCRIPTS, "away") for program in programs]
    entries = [
        language_model(
            away if name.startswith("away") else triton.address,
            **{
                "name": name,
                "cancel": "rpc",
                "timeouts": PATIENT,
                **KEYS.get(name.partition("-")[0], {}),
            },
        )
        for name in names
    ]
    facts = {"start_id": 0, "end_id": END_ID, "max_len": MAX_LEN}
    return {"model_infos": [{"name": name, **facts} for name in names], "llm": entries}


def command(program: str, url: str, cases: dict[str, dict[str, Any]]) -> list[str]:
    """The command of a program: an environment with openai-python, `node` or `langchain`.

    It asks the models that are its own. The cases are told in scripts/openai_failures.py.
    """
    own = [
        {"name": name, **case, "model": f"{case['model']}-{program}"}
        for name, case in cases.items()
    ]
    arguments = (url, program, json.dumps(own))
    if program == "node":
        return node_command("failures.mjs", *arguments)
    if program == "langchain":
        return python_command("current", "langchain_failures.py", *arguments)
    return python_command(program, "openai_failures.py", *arguments)


def results_of(programs: Mapping[str, Program]) -> dict[str, Any]:
    """What each of CLIENTS got, by case, when all programs have ended."""
    results: dict[str, Any] = {}
    for name, program in programs.items():
        result = program.result()
        is_plain = name in CLIENTS
        results |= {name: result} if is_plain else {f"{name}-{way}": result[way] for way in result}
    return results
