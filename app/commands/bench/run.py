"""From the arguments of `openai-api bench` to its report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from app.client.address import ServerAddress
from app.client.connection import Connection, key_from
from app.client.model_list import GENERATE, chosen_model
from app.commands.bench.figures import Figures
from app.commands.bench.load import Load
from app.commands.bench.report import print_json, print_report
from app.commands.bench.requests import Measured, Requests, embeddings, streamed_chats, whole_chats
from app.terminal.escapes import one_line
from app.terminal.failures import EXIT_FAILED, EXIT_INTERRUPTED
from app.terminal.styles import is_coloured

EMBED = "embed"


def run_bench(parsed: argparse.Namespace) -> int:
    """Gives the exit code. Raises CommandError where the server cannot be asked at all."""
    address, key = ServerAddress.parse(parsed.url), key_from(parsed.key_env)

    def connect() -> Connection:
        return Connection(address, key, parsed.timeout)

    task = EMBED if parsed.embeddings else GENERATE
    with closing(connect()) as connection:
        model = chosen_model(connection, parsed.model, task)
    load = Load(connect, _requests(parsed, model), parsed.requests, parsed.concurrency)
    title = f"{model} at {address}: {parsed.requests} requests, {parsed.concurrency} at a time"
    if not parsed.json:
        print(one_line(title), flush=True)
    with _progress(parsed.requests, is_shown=not parsed.json) as on_result:
        load.run(on_result)
    figures = Figures.of(load.results, load.seconds)
    if parsed.json:
        asked = {name: getattr(parsed, name) for name in ("requests", "concurrency")}
        print_json(
            figures, load, {"url": str(address), "model": model, "kind": _kind(parsed), **asked}
        )
    else:
        print_report(figures, load)
    if load.was_interrupted:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if figures.num_failed else 0


def _kind(parsed: argparse.Namespace) -> str:
    if parsed.embeddings:
        return "embeddings"
    return "whole" if parsed.whole else "stream"


def _requests(parsed: argparse.Namespace, model: str) -> Requests:
    if parsed.embeddings:
        return embeddings(model, parsed.prompt_tokens)
    kind = whole_chats if parsed.whole else streamed_chats
    return kind(model, parsed.prompt_tokens, parsed.max_tokens)


@contextmanager
def _progress(total: int, *, is_shown: bool) -> Iterator[Callable[[Measured], None]]:
    """A bar on a terminal; nothing where nobody would see it move."""
    if not (is_shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, no_color=not is_coloured(sys.stderr))
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[failed]} failed"))
    failed = 0
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total, failed=0)

        def on_result(measured: Measured) -> None:
            nonlocal failed
            failed += bool(measured.error)
            bar.update(task, advance=1, failed=failed)

        yield on_result
