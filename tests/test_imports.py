"""What gunicorn's master loads before gevent patches."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "flask",
    "grpc",
    "tritonclient",
    "transformers",
    "prometheus_client",
    "ssl",
    "concurrent.futures",
    "gevent",
    "marshmallow",
    "numpy",
    "opentelemetry",
    "rich",
    "shtab",
)


@pytest.mark.parametrize(
    "module",
    [
        *("app", "app.settings", "app.cli"),
        *("app.observability.worker_files", "app.observability.gunicorn_log"),
    ],
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# What the commands that talk with a server need is the standard library, which has TLS and threads.
SERVERS_OWN = [name for name in HEAVY if name not in ("ssl", "concurrent.futures")]


@pytest.mark.parametrize(
    "module",
    ["app.commands.chat.talk", "app.commands.chat.one_question", "app.commands.bench.run"],
)
def test_a_client_loads_nothing_of_the_server(module: str) -> None:
    code = f"import {module}, sys; print([n for n in {SERVERS_OWN!r} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
