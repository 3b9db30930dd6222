"""SIGHUP under load, with good files, with broken ones and with none: case B3."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bench.client import (
    COMPLETIONS,
    Streams,
    Traffic,
    completion,
    kinds,
    percentile,
    streamed,
)
from tests.faults.bench.common import Bench, common_pass
from tests.faults.bench.gateway import NUM_WORKERS, PROJECT, Gateway
from tests.faults.bench.script import Script
from tests.faults.record import Case
from tests.faults.service.conftest import Start
from tests.faults.service.master import LONGEST, SECONDS, ready_workers, send, wait_for_log
from tests.live.waiting import wait_until
from tests.test_publish_config import BROKEN

CALL = completion("a b c", 4, Script(delay_ms=20))
INTERVAL = 0.05
# In a hurry: more than there is time to take over each.
NUM_QUICK = 8
REFUSED = "the configuration is not reloaded"
TAKEN = "reloaded: "
# Answers in a row, of connections that any worker may take.
NUM_ASKED = 8
# What leaves root the rights of a file's owner alone.
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")

Content = dict[str, Any]


def extended(content: Content, name: str) -> Content:
    """With one more model, which is `llm` by another name."""
    added = {**content["llm"][0], "name": name, "triton_model": "llm"}
    return {**content, "llm": [*content["llm"], added]}


def write(path: Path, content: Content) -> None:
    """As an editor does, beside it."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content))
    beside.replace(path)


def served(gateway: Gateway) -> set[str]:
    return {model["id"] for model in gateway.server.get("/v1/models").json()["data"]}


def serves(gateway: Gateway, name: str) -> bool:
    """Whether every worker has this model."""
    return all(name in served(gateway) for _ in range(NUM_ASKED))


@contextmanager
def calls_succeed(bench: Bench, case: Case) -> Iterator[None]:
    """None fails while something is done, and the workers stay."""
    with common_pass(bench, case, counted=("llm",)) as watch:
        with Traffic(bench.gateway.server, CALL, interval=INTERVAL) as traffic:
            yield
        outcomes = traffic.outcomes()
        watch.saw(outcomes)
        case.exactly("calls", kinds(outcomes), {"complete": len(outcomes)})
        # The check of a configuration may be a child of the master still.
        case.exactly("workers", len(ready_workers(bench.gateway)), NUM_WORKERS)


@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B3", "reloads in a hurry")
def test_b3_quick(start: Start, configuration: Path, case: Case) -> None:
    case.injects("SIGHUP every 0.2 s under 20 calls a second, each with another file", NUM_QUICK)
    content = json.loads(configuration.read_text())
    with start() as bench, calls_succeed(bench, case):
        for number in range(NUM_QUICK):
            write(configuration, extended(content, f"model-{number}"))
            sent_at = send(bench.gateway, signal.SIGHUP)
            time.sleep(0.2)
        last = f"model-{NUM_QUICK - 1}"
        wait_until(lambda: serves(bench.gateway, last), "the last one", SECONDS)
        seconds = time.monotonic() - sent_at
        # It is mostly work of the processor, of which a busy machine has little.
        case.at_most("until all workers have the last one", seconds, 5.0, slack=100)


@pytest.mark.whole
@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B3", "100 reloads")
def test_b3(start: Start, configuration: Path, case: Case) -> None:
    case.injects("SIGHUP under 20 calls a second, each with another file", 100)
    content = json.loads(configuration.read_text())
    seconds = []
    with start() as bench, calls_succeed(bench, case):
        for number in range(100):
            write(configuration, extended(content, f"model-{number}"))
            sent_at = send(bench.gateway, signal.SIGHUP)
            wait_for_log(bench.gateway, TAKEN, NUM_WORKERS * (number + 1))
            seconds.append(time.monotonic() - sent_at)
        case.exactly("all workers have the last one", serves(bench.gateway, "model-99"), True)
        name = f"until all workers have a new one, p99 (p50 {percentile(seconds, 0.5):.3g} s)"
        case.at_most(name, percentile(seconds, 0.99), 5.0)


@pytest.mark.whole
@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B3", "broken configurations")
def test_b3_broken(start: Start, configuration: Path, case: Case) -> None:
    case.injects("SIGHUP with a file that is broken in a way of its own", len(BROKEN) + 2)
    text = configuration.read_text()
    (configuration.parent / "empty").mkdir()
    (configuration.parent / "broken.jinja").write_text("{% for")
    (configuration.parent / "gbk.jinja").write_bytes("{{ '你好' }}".encode("gbk"))
    with start() as bench, calls_succeed(bench, case):
        before = sorted(served(bench.gateway))
        for how in BROKEN.values():
            configuration.write_text(broken(json.loads(text), how))
            refuse(bench.gateway)
        configuration.unlink()
        refuse(bench.gateway)
        configuration.mkdir()
        refuse(bench.gateway)
        case.exactly("models afterwards", sorted(served(bench.gateway)), before)


def broken(content: Content, how: Callable[[Content], Any] | str) -> str:
    if isinstance(how, str):
        return how
    how(content)
    return json.dumps(content)


def refuse(gateway: Gateway) -> None:
    """Send SIGHUP and wait until the log says that the file is broken, and where."""
    offset = len(gateway.server.log_text())
    send(gateway, signal.SIGHUP)
    wait_for_log(gateway, REFUSED, 1, offset)
    told = gateway.log_since(offset).partition(REFUSED)[0]
    assert "ERROR" in told, told
    assert TAKEN not in gateway.log_since(offset)


@pytest.mark.whole
@pytest.mark.case("B3", "a file that may not be read any more")
def test_b3_forbidden(start: Start, configuration: Path, case: Case) -> None:
    prefix = WITHOUT_OVERRIDE if os.geteuid() == 0 else ()
    if prefix and not shutil.which(prefix[0]):
        case.cannot_run("root may read everything, and there is no setpriv")
        return
    case.injects("SIGHUP with a file of mode 000")
    with start(prefix) as bench, calls_succeed(bench, case):
        configuration.chmod(0)
        refuse(bench.gateway)
        configuration.chmod(0o600)
        send(bench.gateway, signal.SIGHUP)
        wait_for_log(bench.gateway, TAKEN, NUM_WORKERS)


@pytest.mark.whole
@pytest.mark.parametrize("is_relative", [False, True], ids=["absolute", "relative"])
@pytest.mark.timeout(LONGEST)
@pytest.mark.case("B3", "a file behind links, as in a ConfigMap")
def test_b3_links(start: Start, configuration: Path, case: Case, is_relative: bool) -> None:
    """The file and the template beside it change together, when one link is replaced."""
    case.title += ", relative to the working folder" if is_relative else ""
    case.injects("SIGHUP after the link to the file's folder was replaced", 3)
    content, base = json.loads(configuration.read_text()), configuration.parent / "mounted"
    base.mkdir()
    for name in ("models.json", "own.jinja"):
        (base / name).symlink_to(f"..data/{name}")
    mount(base, content, 0)
    path = base / "models.json"
    given = Path(os.path.relpath(path, PROJECT)) if is_relative else path
    with start(path=given) as bench, calls_succeed(bench, case):
        for number in range(1, 4):
            mount(base, content, number)
            send(bench.gateway, signal.SIGHUP)
            wait_for_log(bench.gateway, TAKEN, NUM_WORKERS * number)
            assert serves(bench.gateway, f"model-{number}")
            answer = bench.gateway.server.post(
                "/tokenize",
                {"model": f"model-{number}", "messages": [{"role": "user", "content": ""}]},
            )
            expected = bench.gateway.server.post(
                "/tokenize",
                {"model": "llm", "prompt": f"template {number}", "add_special_tokens": False},
            )
            case.exactly(
                f"tokens by template {number}", answer.json()["tokens"], expected.json()["tokens"]
            )


def mount(base: Path, content: Content, number: int) -> None:
    """A folder of its own, and then one rename, as kubelet does it."""
    folder = base / f"..{number}"
    folder.mkdir()
    changed = extended(content, f"model-{number}")
    changed["llm"][-1]["chat_template"] = "own.jinja"
    (folder / "models.json").write_text(json.dumps(changed))
    (folder / "own.jinja").write_text(f"template {number}")
    link = base / "..tmp"
    link.symlink_to(folder.name)
    link.replace(base / "..data")
    for old in base.glob("..[0-9]*"):
        if old != folder:
            shutil.rmtree(old)


@pytest.mark.whole
@pytest.mark.case("B3", "reloads under streams that go on")
def test_b3_streams(start: Start, configuration: Path, case: Case) -> None:
    """They end with the model that they began with."""
    case.injects("SIGHUP without their model under 10 streams", 1)
    content = json.loads(configuration.read_text())
    body = streamed("a b c", 60, Script(delay_ms=100), "model-0")
    write(configuration, extended(content, "model-0"))
    with start() as bench, calls_succeed(bench, case):
        streams = Streams(bench.gateway.server, [body] * 10)
        streams.wait_for_words(1)
        write(configuration, content)
        send(bench.gateway, signal.SIGHUP)
        wait_for_log(bench.gateway, TAKEN, NUM_WORKERS)
        case.exactly("a new call of it", bench.gateway.server.post(COMPLETIONS, body).status, 404)
        case.exactly("streams", kinds(streams.join()), {"complete": 10})
