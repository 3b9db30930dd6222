"""Servers and generators as processes: pinned, waited for, and ended with what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.lag import probe, summary
from benchmarks.places import Cores
from benchmarks.processes import Command, Report, Server, answers
from demo.ports import free_ports
from tests.live.waiting import wait_until

HERE = set(os.sched_getaffinity(0))
LAST = Cores.of_machine().load
SERVER = """
import http.server, sys, time

class Late(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(0.02)
        self.send_response(200 if self.path == "/livez" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Late).serve_forever()
"""


def python(code: str, *words: str, cores: set[int] = HERE) -> Command:
    return Command([sys.executable, "-c", code, *words], cores, {"OF_THE_COMMAND": "1"})


def test_a_report_is_the_json_that_is_printed() -> None:
    code = "import json, os; print(json.dumps({'at': sorted(os.sched_getaffinity(0)),"
    code += " 'env': os.environ['OF_THE_COMMAND']}))"
    assert Report(python(code, cores=LAST)).read() == {"at": sorted(LAST), "env": "1"}


def test_a_program_without_json_is_told_with_what_it_complained_of() -> None:
    with pytest.raises(BenchmarkError, match=r"printed no JSON:\n(?s:.*)no such port"):
        Report(python("raise SystemExit('no such port')")).read()


def test_a_program_that_does_not_end_is_killed() -> None:
    report = Report(python("import time; time.sleep(60)"))
    with pytest.raises(BenchmarkError, match=r"has not ended after 0\.2 s"):
        report.read(timeout=0.2)
    assert not Path(f"/proc/{report.pid}").exists()


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(BenchmarkError, match="/not/there does not start"):
        Report(Command(["/not/there"], HERE))


def test_a_server_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    server = Server("mine", python("raise SystemExit('port in use')"), tmp_path / "log")
    with pytest.raises(BenchmarkError, match=r"mine ended with 1:\nport in use"):
        server.wait_until(lambda: False)


def test_lag_is_what_a_server_takes_to_answer(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    server = Server("late", python(SERVER, str(port)), tmp_path / "log")
    try:
        server.wait_until(lambda: answers(port, "/livez"))
        assert not answers(port, "/elsewhere")
        found = summary(probe(port, "/livez", seconds=0.3))
    finally:
        server.stop()
    assert found["p50"] >= 20
    assert not answers(port, "/livez")


def test_stopping_leaves_no_child(tmp_path: Path) -> None:
    code = "import subprocess, time; child = subprocess.Popen(['sleep', '60'])"
    code += "; print(child.pid, flush=True); time.sleep(60)"
    log = tmp_path / "log"
    server = Server("parent", python(code), log)
    server.wait_until(lambda: bool(log.read_text()))
    server.stop()
    child = int(log.read_text())
    wait_until(lambda: not _is_alive(child), "the end of the child")


def _is_alive(pid: int) -> bool:
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")
