"""The real Prometheus, and what it is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from demo.ports import LOOPBACK, free_ports
from tests.live.waiting import wait_until
from tests.packages.programs import environment, program
from tests.prometheus.expressions import CONFIGURATION, RULE_FILES

KIND = "prometheus"
START_SECONDS = 150.0
STOP_SECONDS = 60.0
TIMEOUT = 30.0
# So that rates have data after seconds, and not after a minute.
INTERVALS = {
    "scrape_interval: 15s": "scrape_interval: 500ms",
    "evaluation_interval: 15s": "evaluation_interval: 500ms",
}


@dataclass(frozen=True)
class Sample:
    """One series with its value now."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str
    log: Path

    def query(self, expression: str) -> list[Sample]:
        """What an expression gives now."""
        data = urllib.parse.urlencode({"query": expression}).encode()
        found = self._ask("query", data)
        assert found["resultType"] == "vector", expression
        return [Sample(each["metric"], float(each["value"][1])) for each in found["result"]]

    def value(self, expression: str) -> float | None:
        """That of the only series, None where there is none."""
        found = self.query(expression)
        assert len(found) <= 1, f"{expression}: {found}"
        return found[0].value if found else None

    def targets(self) -> list[dict[str, Any]]:
        """What it reads, and how that goes."""
        found: list[dict[str, Any]] = self._ask("targets")["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Its rules with their state."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=TIMEOUT) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _ask(self, what: str, data: bytes | None = None) -> Any:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{what}", data, TIMEOUT) as response:
                return json.load(response)["data"]
        except HTTPError as error:
            raise AssertionError(f"{data!r}: {error.read().decode()}") from error


def configuration(folder: Path, edits: Mapping[str, str]) -> Path:
    """A copy of deploy/prometheus in `folder`, with other texts in its prometheus.yml."""
    text = CONFIGURATION.read_text()
    for old, new in edits.items():
        assert old in text, f"{CONFIGURATION.name} has no {old!r}"
        text = text.replace(old, new)
    (folder / "rules").mkdir()
    for path in RULE_FILES:
        shutil.copy(path, folder / "rules")
    copy = folder / CONFIGURATION.name
    copy.write_text(text)
    return copy


@contextmanager
def prometheus(folder: Path, edits: Mapping[str, str]) -> Iterator[Prometheus]:
    """Start it with the project's own files, edited; it keeps everything in `folder`."""
    (port,) = free_ports(1)
    path, log = configuration(folder, {**INTERVALS, **edits}), folder / "log"
    command = [
        program("prometheus", KIND),
        f"--config.file={path}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env=environment(KIND)
        )
    found = Prometheus(f"http://{LOOPBACK}:{port}", log)
    try:
        wait_until(lambda: _is_up(process, found), "Prometheus's start", START_SECONDS)
        yield found
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _is_up(process: subprocess.Popen[bytes], found: Prometheus) -> bool:
    assert process.poll() is None, found.log.read_text(errors="replace")
    return found.is_ready()


def promtool(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        [program("promtool", KIND), *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=environment(KIND),
    )
