"""deploy/systemd: the unit agrees with the server, and the server with what the unit forbids."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.lifecycle import open_files
from app.lifecycle.master import CHECK_LIMIT, EXIT_APP_LOAD
from app.settings import TABLE, Settings
from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.deploy import unit
from tests.deploy.running import PROGRAMS, Service, service
from tests.live.entries import PATIENT
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until
from tests.packages import programs
from tests.supply import dockerfile
from tests.supply.test_container_files import SERVICES

CHAT = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello!"}]}
STORY = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 400, "ignore_eos": True}
ENVIRONMENT_FILE = unit.SYSTEMD / "openai-api.environment"
STOP_SECONDS = 2
# https://www.kernel.org/doc/html/latest/userspace-api/mdwe.html, from Linux 6.3 on, is what
# MemoryDenyWriteExecute= is. Older kernels refuse it, and systemd then filters the calls.
CONFINED = (
    "import ctypes, os, sys; libc = ctypes.CDLL(None); "
    "libc.prctl(38, 1, 0, 0, 0); libc.prctl(65, 1, 0, 0, 0); os.umask(0o077); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


def test_it_is_a_unit() -> None:
    assert list(unit.sections()) == ["Unit", "Service", "Install"]
    several = {"SystemCallFilter"}
    for keys in unit.sections().values():
        assert [
            name for name, values in keys.items() if len(values) > 1 if name not in several
        ] == []


def test_every_variable_is_a_setting() -> None:
    known = {row.env for row in TABLE} | set(dockerfile.environment())
    assert set(unit.variables()) <= known
    Settings.load(unit.variables())
    # Those that are commented out, too.
    lines = ENVIRONMENT_FILE.read_text().splitlines()
    assert {line[1:].split("=")[0] for line in lines if re.match("#[A-Z_]+=", line)} <= known


def test_the_place_of_its_variables_is_that_of_the_page() -> None:
    assert unit.service("EnvironmentFile") == "/etc/openai_api/environment"
    assert f"For {unit.service('EnvironmentFile')};" in ENVIRONMENT_FILE.read_text()


def test_the_times_are_enough() -> None:
    found = Settings.load(unit.variables())
    needed = found.drain_delay + found.graceful_timeout + STOP_SECONDS
    assert needed <= int(unit.service("TimeoutStopSec")) <= needed + 10
    assert int(unit.service("TimeoutStartSec")) > CHECK_LIMIT


def test_its_files_are_enough() -> None:
    needed = open_files.FILES_EACH * Settings.load({}).worker_connections + open_files.RESERVE
    assert int(unit.service("LimitNOFILE")) >= needed


def test_memory_and_processes_are_what_compose_gives() -> None:
    assert unit.service("MemoryMax") == SERVICES["gateway"]["mem_limit"].upper()
    assert int(unit.service("TasksMax")) == SERVICES["gateway"]["pids_limit"]


def test_mistakes_are_not_tried_again() -> None:
    assert unit.service("Restart") == "on-failure"
    assert unit.service("RestartPreventExitStatus").split() == ["2", str(EXIT_APP_LOAD)]


def test_its_user_is_the_one_that_is_made() -> None:
    lines = (unit.SYSTEMD / "openai-api.sysusers.conf").read_text().splitlines()
    (line,) = (line for line in lines if not line.startswith("#"))
    kind, name, *_ = line.split()
    assert (kind, name) == ("u", unit.service("User")) == ("u", unit.service("Group"))


def test_it_writes_to_nothing_but_its_own_tmp() -> None:
    assert unit.service("ProtectSystem") == "strict"
    assert unit.service("PrivateTmp") == "yes"
    assert unit.variables()["HF_HOME"].startswith("/tmp/")
    keys = unit.sections()["Service"]
    assert {"ReadWritePaths", "StateDirectory", "CacheDirectory", "LogsDirectory"} & set(
        keys
    ) == set()
    assert keys["CapabilityBoundingSet"] == [""]


@pytest.fixture(scope="module")
def running(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """ExecStart with the variables, under what can be had of the unit without systemd."""
    folder = tmp_path_factory.mktemp("unit")
    entry = {"name": "demo-chat", "url": tritonserver.grpc_url, "timeouts": PATIENT}
    llm = [{**entry, "path": str(DEMO / "models" / "demo-chat")}]
    port, probes = free_ports(2)
    given = {
        "PORT": str(port),
        "METRICS_BIND": f"127.0.0.1:{probes}",
        "CONFIG_FILE": str(write_configuration(folder / "model_config.json", {"llm": llm})),
        "DRAIN_DELAY": "1",
    }
    installed, *arguments = shlex.split(unit.service("ExecStart"))
    command = [str(PROGRAMS / Path(installed).name), *arguments]
    confined = (sys.executable, "-c", CONFINED)
    with service(command, {**unit.variables(), **given}, folder, *confined) as found:
        wait_until(found.is_ready, "the model")
        yield found


def test_it_tells_systemd_that_it_is_ready(running: Service) -> None:
    """From the process that systemd has started, as NotifyAccess=main, the default, wants it."""
    assert unit.service("Type") == "notify"
    assert "NotifyAccess" not in unit.sections()["Service"]
    assert running.said.startswith("READY=1")
    command = Path(f"/proc/{running.process.pid}/cmdline").read_bytes()
    assert b"gunicorn" in command


def test_it_works_without_new_rights_and_writable_code(running: Service) -> None:
    assert unit.service("NoNewPrivileges") == unit.service("MemoryDenyWriteExecute") == "yes"
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert running.api.events("/v1/chat/completions", CHAT)[-1]["choices"][0]["finish_reason"]
    # Long enough to be tokenised in a native thread.
    large = running.api.post("/tokenize", {"model": "demo-chat", "prompt": "a " * 200_000})
    assert large.status == 200


def test_the_kernel_forbids_writable_code_where_it_can() -> None:
    """Shows that the test above can fail."""
    probe = (
        "import ctypes, mmap; is_known = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0\n"
        "try: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC); print(is_known, True)\n"
        "except PermissionError: print(is_known, False)"
    )
    printed = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout
    assert printed.split() in (["True", "False"], ["False", "True"])


def test_reload_reads_the_configuration_again(running: Service) -> None:
    (program, *arguments) = shlex.split(unit.service("ExecReload"))
    assert (program, arguments) == ("/bin/kill", ["-HUP", "$MAINPID"])
    running.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reloaded: 1 model" in running.api.log_text(), "the reload")


def test_sigterm_to_the_master_alone_ends_it_after_its_streams(running: Service) -> None:
    """The last test: KillMode=mixed, and DRAIN_DELAY over."""
    assert unit.service("KillMode") == "mixed"
    with running.api.stream("/v1/completions", STORY) as stream:
        lines = stream.lines()
        next(lines)
        running.process.terminate()
        assert list(lines)[-1] == "data: [DONE]"
    assert running.process.wait(60) == 0
    assert "stopping in 1 s" in running.api.log_text()


def test_systemd_reads_it(tmp_path: Path) -> None:
    text = unit.UNIT.read_text()
    program = unit.service("ExecStart").split()[0]
    copy = tmp_path / unit.UNIT.name
    copy.write_text(text.replace(program, str(PROGRAMS / "openai-api")))
    done = subprocess.run(
        [programs.program("systemd-analyze", "systemd"), "verify", "--man=no", str(copy)],
        capture_output=True,
        text=True,
        env=programs.environment("systemd"),
    )
    assert done.returncode == 0, done.stderr
    assert unit.UNIT.name not in done.stderr
