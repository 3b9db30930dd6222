"""TritonServer's life: it starts, says why it cannot, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from demo import environment, platform_check, shared_memory
from demo.environment import DEMO, ensure_environment
from demo.errors import DemoError
from demo.ports import LOOPBACK, check_port, free_ports
from demo.processes import group_members
from demo.triton import TritonServer
from demo.variants import Variant, write_repository, write_variant
from tests.live.waiting import wait_until

LAUNCHER = """
import sys, time
from pathlib import Path
from demo.triton import TritonServer, free_ports
server = TritonServer([Path(sys.argv[1])], *free_ports(3))
server.start()
server.wait_until_ready()
print(server.pid, server.shm_prefix, flush=True)
time.sleep(60)
"""


@pytest.fixture
def repository(tmp_path):
    return write_repository(tmp_path / "repository", ["ft-step1"])


@pytest.fixture
def server(repository):
    running = TritonServer([repository], *free_ports(3))
    running.start()
    running.wait_until_ready()
    yield running
    running.stop()


def test_stop_leaves_nothing_and_a_stopped_server_starts_again(server):
    assert shared_memory.regions(server.shm_prefix)
    server.stop()
    assert not server.is_ready()
    assert group_members(server.pid) == []
    assert shared_memory.regions(server.shm_prefix) == []
    assert not server.log_file.exists()
    server.start()
    server.wait_until_ready()
    assert shared_memory.regions(server.shm_prefix)


def test_kill_leaves_nothing(server):
    assert len(group_members(server.pid)) == 2
    server.kill()
    assert server.exit_code() == -signal.SIGKILL
    assert group_members(server.pid) == []
    assert shared_memory.regions(server.shm_prefix) == []


def test_a_killed_launcher_takes_triton_with_it(repository, tmp_path):
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(repository)],
        cwd=DEMO.parent,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    pid, prefix = launcher.stdout.readline().split()
    launcher.kill()
    launcher.communicate()
    wait_until(lambda: group_members(int(pid)) == [], "the end of Triton")
    shared_memory.remove_abandoned()
    assert shared_memory.regions(prefix) == []


def test_a_model_that_does_not_load_is_named(tmp_path):
    broken = Variant("broken", parameters={"model_path": "/nowhere"})
    write_variant(tmp_path, broken)
    with pytest.raises(DemoError, match=r"Triton did not start: .*broken.*/nowhere/config.json"):
        TritonServer([tmp_path], *free_ports(3)).__enter__()


def test_what_every_log_says_is_no_reason(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        'E1122 09:09:19.471733 19 server.cc:241] "CudaDriverHelper has not been initialized."'
    )
    server = TritonServer([tmp_path], *free_ports(3), log_file=log)
    assert server.last_error() == f"no reason given, see {log}"


def test_a_port_in_use_is_named_with_its_option():
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=f"port {port} of .*--triton-ports"):
            check_port(LOOPBACK, port, "--triton-ports")


def test_a_host_that_does_not_exist_is_named():
    with pytest.raises(DemoError, match=r"Cannot listen on no\.such\.host\.invalid: "):
        check_port("no.such.host.invalid", 5100, "--port")


def test_free_ports_are_different_and_free():
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        check_port(LOOPBACK, port, "--port")
        socket.create_server((LOOPBACK, port)).close()


def test_free_ports_are_kept_for_servers():
    port = free_ports(1)[0]
    with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
        # As the system does for a port that it gives.
        other.bind((LOOPBACK, port))


@pytest.mark.parametrize(
    ("target", "value", "text"),
    [
        ("platform.system", lambda: "Darwin", "runs on Linux x86-64 only, and this is Darwin"),
        ("platform.machine", lambda: "aarch64", "Linux aarch64"),
        (
            "os.confstr",
            lambda name: "glibc 2.31",
            "needs glibc 2.35 or newer, and this system has 2.31",
        ),
        ("os.confstr", lambda name: None, "needs glibc 2.35, and this system has none"),
    ],
)
def test_a_machine_that_cannot_run_it_is_told_why(monkeypatch, target, value, text):
    monkeypatch.setattr(f"demo.platform_check.{target}", value)
    with pytest.raises(DemoError, match=text):
        platform_check.check_platform()


def test_an_unsupported_python_is_named(monkeypatch):
    monkeypatch.setattr(platform_check.sys, "version_info", (3, 14, 0))
    with pytest.raises(DemoError, match=r"needs Python 3.11 to 3.13"):
        platform_check.check_platform()


def test_a_missing_libpython_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr(platform_check, "_library_folders", lambda: [tmp_path])
    monkeypatch.setattr(platform_check.sys, "version_info", FakeVersion((3, 11, 7)))
    with pytest.raises(DemoError, match=r"libpython3.11 \(Debian, Ubuntu\)"):
        platform_check.find_libpython()


class FakeVersion(tuple):
    """Enough of sys.version_info."""

    @property
    def major(self):
        return self[0]

    @property
    def minor(self):
        return self[1]


def test_packages_that_cannot_be_installed_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path / "venv")
    lock = tmp_path / "requirements.txt"
    lock.write_text("nvidia-pytriton==0.0.0 --hash=sha256:" + "0" * 64)
    monkeypatch.setattr(environment, "REQUIREMENTS", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(DemoError, match="Could not install the demo's packages: ERROR: ") as raised:
        ensure_environment()
    assert "\n" not in str(raised.value)


def test_the_environment_is_found_again_and_not_made_again(monkeypatch):
    ensure_environment()

    def refuse(command, purpose):
        raise AssertionError(f"{command} is run again to {purpose}")

    monkeypatch.setattr(environment, "_run", refuse)
    said = []
    assert ensure_environment(said.append).program.stat().st_mode & os.X_OK
    assert said == []


def test_abandoned_shared_memory_is_removed_and_ours_is_not(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    ours = tmp_path / f"{shared_memory.new_prefix()}region"
    for path in (ours, tmp_path / "openai-api-demo-999999999-0-region", tmp_path / "other"):
        path.touch()
    shared_memory.remove_abandoned()
    assert sorted(tmp_path.iterdir()) == sorted([ours, tmp_path / "other"])


def test_the_stub_of_another_folder_is_not_touched():
    """The environment's site-packages stays as pip left it: the stub is reached by links."""
    environment_now = ensure_environment()
    stub = environment_now.backends / "python" / "triton_python_backend_stub"
    assert stub.is_symlink()
    assert Path(stub.resolve()).is_relative_to(environment_now.site_packages.resolve())
