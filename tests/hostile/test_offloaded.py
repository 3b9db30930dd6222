"""What a native thread must not do beside the event loop: log, or wait for a lock.

Under gevent such a lock is gevent's own, and one for which two threads wait may never be given to
the second.
"""

from __future__ import annotations

import ast
import logging
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from app import offload
from tests.applications import LLM, build_application, closed_port, standard_configuration
from tests.hostile.test_sources import FILES, calls, tree

LOCKS = ("_lock", "_changed", "_one_at_a_time")
OFFLOADING = {"offload.run": 0, "offload.run_if": 1}


@cache
def definitions(name: str) -> dict[str, ast.AST]:
    """Every function and class of a file, wherever it is in it."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: node for node in ast.walk(tree(name)) if isinstance(node, kinds)}


@cache
def origins(name: str) -> dict[str, tuple[str, str]]:
    """What a file has from others of the application: the file, and the name there."""
    found = {}
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app"):
            path = f"{(node.module or '').replace('.', '/')}.py"
            found.update({alias.name: (path, alias.name) for alias in node.names})
    return found


@cache
def methods(method: str) -> list[tuple[str, ast.AST]]:
    """Those of that name in what turns texts into tokens and back: whose one is not known here."""
    files = [name for name in FILES if name.startswith("app/prompting/")]
    return [(name, definitions(name)[method]) for name in files if method in definitions(name)]


def carried() -> list[tuple[str, ast.AST]]:
    """What a function is put into so that a trace goes along."""
    file = "app/observability/tracing.py"
    return [(file, definitions(file)["carried"])]


def meant(name: str, expression: ast.AST) -> list[tuple[str, ast.AST]]:
    """The code that an expression stands for, and its file, as far as that can be told."""
    if isinstance(expression, ast.Lambda):
        return [(name, expression)]
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "tracing.carried":
        return [*meant(name, expression.args[0]), *carried()]
    if isinstance(expression, ast.Attribute):
        return methods(expression.attr)
    if not isinstance(expression, ast.Name):
        return []
    file, own = origins(name).get(expression.id, (name, expression.id))
    known = definitions(file) if file in FILES else {}
    return [(file, known[own])] if own in known else []


def reached(name: str, expression: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The same with all that it calls."""
    waiting, seen = [*meant(name, expression)], set[ast.AST]()
    while waiting:
        file, code = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        yield file, code
        for node in ast.walk(code):
            if isinstance(node, ast.Call):
                waiting += meant(file, node.func)


def forbidden(code: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(code):
        if isinstance(node, ast.Call):
            found.append(ast.unparse(node.func))
        elif isinstance(node, ast.With):
            found += [ast.unparse(item.context_expr) for item in node.items]
    return [
        each
        for each in found
        if each.startswith(("log.", "logging.", "warnings.", "threading."))
        or each.removesuffix(".acquire").endswith(LOCKS)
    ]


def offloaded() -> list[tuple[str, ast.AST]]:
    return [
        (name, call.args[OFFLOADING[called]])
        for name in FILES
        for called, call in calls(name)
        if called in OFFLOADING
    ]


def test_what_is_offloaded_neither_logs_nor_locks() -> None:
    given = offloaded()
    assert len(given) >= 20
    found = {
        f"{name}: {ast.unparse(function)}: {file}: {each}"
        for name, function in given
        for file, code in reached(name, function)
        for each in forbidden(code)
    }
    assert not found


def test_nearly_all_that_is_offloaded_is_looked_at() -> None:
    unknown = {
        f"{name}: {ast.unparse(each)}" for name, each in offloaded() if not meant(name, each)
    }
    # The encoders of structures: word lists, JSON, and vLLM's guides.
    assert unknown == {"app/backends/structure_texts.py: self._encode"}


@pytest.fixture
def is_offloading(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Has an element for as long as something is offloaded."""
    now: list[bool] = []

    def run(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        now.append(True)
        try:
            return function(*args, **kwargs)
        finally:
            now.pop()

    monkeypatch.setattr(offload, "run", run)
    return now


class Handler(logging.Handler):
    """Notes each message, and whether it came from what was offloaded."""

    def __init__(self, is_offloading: list[bool]) -> None:
        super().__init__()
        self._is_offloading = is_offloading
        self.told: list[tuple[str, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append((record.getMessage(), bool(self._is_offloading)))


@pytest.fixture
def handler(is_offloading: list[bool]) -> Iterator[Handler]:
    log, handler = logging.getLogger("app"), Handler(is_offloading)
    level = log.level
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)


def test_unknown_fields_of_a_large_body_are_told_on_the_event_loop(
    tmp_path: Path, handler: Handler
) -> None:
    address = f"127.0.0.1:{closed_port()}"
    app = build_application(tmp_path, standard_configuration(address, address), LOG_LEVEL="DEBUG")
    body = {"model": LLM, "prompt": "a" * 70_000, "unknown": 1}
    app.test_client().post("/v1/completions", json=body)
    assert ("fields that change nothing: ['unknown']", False) in handler.told
    assert not [message for message, was_offloaded in handler.told if was_offloaded]
