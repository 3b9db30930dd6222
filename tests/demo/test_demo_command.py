"""`python -m demo`: both processes, the printed lines, and every way to end."""

import http.server
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import pytest

from demo import shared_memory
from demo.environment import DEMO
from demo.errors import DemoError
from demo.gateway import Gateway
from demo.ports import free_ports

STAND_IN = textwrap.dedent("""
    # A gateway that is ready at once, but for models whose names begin with "down".
    import http.server, json, sys
    port = int(sys.argv[sys.argv.index("--port") + 1])
    content = json.load(open(sys.argv[sys.argv.index("--config-file") + 1]))
    print("configured", content["llm"][0]["url"], flush=True)
    names = [entry["name"] for key in ("llm", "embedding", "rerank") for entry in content[key]]
    down = {name: {"ready": False, "cause": "it sleeps"} for name in names if name[:4] == "down"}
    report = {"models": {name: {"ready": True} for name in names} | down}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(report).encode()
            self.send_response(503 if down else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    http.server.HTTPServer(("localhost", port), Handler).serve_forever()
""")

LAUNCHER = textwrap.dedent("""
    import sys, time, types
    import demo.__main__ as command, demo.configuration, demo.gateway
    from pathlib import Path
    command.check_gateway = lambda: None
    demo.gateway.COMMAND = (sys.executable, sys.argv[1])
    demo.configuration.configuration_file.__wrapped__.__defaults__ = (Path(sys.argv[2]),)
    command.own_models.__defaults__ = (Path(sys.argv[2]),)
    command.READY_SECONDS = 3.0

    # A gateway's time to get ready passes while it answers, and not while it starts.
    clock, report = types.SimpleNamespace(now=0.0), demo.gateway.Gateway._report

    def counted(gateway, timeout):
        found = report(gateway, 60.0)
        clock.now += found is not None
        return found

    demo.gateway.Gateway._report = counted
    demo.gateway.time = types.SimpleNamespace(
        monotonic=lambda: clock.now, sleep=lambda _: time.sleep(0.1)
    )
    sys.exit(command.main(sys.argv[3:]))
""")

# How long an end that is expected may take.
SECONDS = 120

CONFIGURATION = {
    "llm": [
        {"name": "demo-chat", "url": "localhost:8001", "path": "demo-chat", "chat_template": "x"}
    ],
    "embedding": [{"name": "all-minilm-l6-v2", "url": "http://localhost:8000", "path": "."}],
    "rerank": [{"name": "r", "url": "triton.example:9000", "path": "missing"}],
    "model_infos": [{"name": "demo-chat"}],
}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "demo-chat").mkdir()
    path = tmp_path / "model_config.json"
    path.write_text(json.dumps(CONFIGURATION))
    return path


@pytest.fixture
def start(tmp_path, source):
    """Start the demo with a stand-in for the gateway; ends it at the end."""
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    started = []

    def run(*options):
        launcher = [sys.executable, "-c", LAUNCHER, str(script), str(source)]
        command = [*launcher, *options]
        process = subprocess.Popen(
            command,
            cwd=DEMO.parent,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def started(start):
    """A demo that has printed its examples, its port, Triton's, and what it printed."""
    port, *triton = free_ports(4)
    process = start("--port", str(port), "--triton-ports", ",".join(map(str, triton)))
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Stop with Ctrl-C" in line:
            break
    return process, port, triton, "".join(lines)


@pytest.fixture
def running(start):
    return started(start)


def children(process):
    """Process ids started by the demo, gateway and Triton."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True).stdout
    pairs = [line.split() for line in listing.splitlines()[1:]]
    return [int(pid) for pid, parent in pairs if int(parent) == process.pid]


def assert_nothing_left(process, before, tmp_path):
    assert not [pid for pid in before if os.path.exists(f"/proc/{pid}")]
    assert shared_memory.regions(f"{shared_memory.FAMILY}-{process.pid}-") == []
    assert not list(tmp_path.glob("openai-api-demo-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_without_a_trace(running, tmp_path, number):
    process, port, triton, printed = running
    assert len(re.findall(rf"^curl http://localhost:{port}/v1/", printed, re.MULTILINE)) == 3
    assert f"configured localhost:{triton[1]}" in printed
    before = children(process)
    assert len(before) == 2
    process.send_signal(number)
    assert process.wait(timeout=SECONDS) == 0
    assert "Traceback" not in process.stdout.read()
    assert_nothing_left(process, before, tmp_path)


@pytest.mark.parametrize(
    ("name", "ended"), [("stand_in", "The server"), ("tritonserver", "Triton")]
)
def test_when_one_dies_it_says_so_and_stops_the_other(running, tmp_path, name, ended):
    process, _, _, _ = running
    before = children(process)
    (victim,) = [pid for pid in before if name in Path(f"/proc/{pid}/cmdline").read_text()]
    os.kill(victim, signal.SIGKILL)
    assert process.wait(timeout=SECONDS) == 1
    assert f"{ended} ended unexpectedly (exit code -9); stopping." in process.stdout.read()
    assert_nothing_left(process, before, tmp_path)


def test_a_port_in_use_is_one_sentence(start):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start("--port", str(port), "--host", "127.0.0.1")
        printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 2
    told = rf"Cannot listen on port {port} of 127.0.0.1 .*"
    assert re.fullmatch(told + r' with --port \(make run ARGS="--port 5200"\)\.\n', printed)


def test_an_interpreter_without_the_gateway_is_one_sentence(tmp_path):
    command = [
        sys.executable,
        "-S",
        "-c",
        "import sys; sys.path.append('.'); import demo.__main__ as m; sys.exit(m.main([]))",
    ]
    done = subprocess.run(command, cwd=DEMO.parent, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r"The server cannot run with .*\n", done.stderr)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--triton-ports", "8000"], "give three port numbers"),
        (["--triton-ports", "1,2,x"], "'x' is not a port number"),
        (["--port", "65536"], "'65536' is not a port number"),
        (["--model", "x"], "unrecognized arguments: --model x"),
    ],
)
def test_wrong_options_are_named(options, text):
    command = [sys.executable, "-m", "demo", *options]
    done = subprocess.run(command, cwd=DEMO.parent, capture_output=True, text=True)
    assert done.returncode == 2
    assert text in done.stderr


def test_an_added_model_that_is_not_ready_is_told_and_the_rest_serves(start, source):
    entry = {"name": "down-model", "url": "gpu-box:8001", "path": "."}
    content = {**CONFIGURATION, "llm": [*CONFIGURATION["llm"], entry]}
    source.write_text(json.dumps(content))
    process, _, triton, printed = started(start)
    assert process.poll() is None
    warnings = [line for line in printed.splitlines() if line.startswith("Warning")]
    assert len(warnings) == 1
    assert "'down-model' is not ready: it sleeps" in warnings[0]
    (used,) = re.findall(r"^openai-api check-config (\S+) --connect tells more", printed, re.M)
    assert json.loads(Path(used).read_text())["llm"][0]["url"] == f"localhost:{triton[1]}"


def test_a_model_of_the_demo_that_is_not_ready_is_named_with_its_cause(start, source):
    entry = {**CONFIGURATION["llm"][0], "name": "down-chat", "triton_model": "demo-chat"}
    source.write_text(json.dumps({**CONFIGURATION, "llm": [entry]}))
    port, *triton = free_ports(4)
    options = ("--port", str(port), "--triton-ports", ",".join(map(str, triton)))
    process = start(*options)
    printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 2
    assert "The server is not ready after 3 s: 'down-chat' is not ready: it sleeps" in printed


class NotReady(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.num_asked += 1
        body = b'{"models": {"demo-chat": {"ready": false, "cause": "it sleeps"}}}'
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_waiting_does_not_fill_the_gateways_log(monkeypatch):
    clock, report = types.SimpleNamespace(now=0.0), Gateway._report

    def pause(seconds):
        clock.now += seconds

    # Time passes in the pauses alone, however long an answer takes.
    monkeypatch.setattr(Gateway, "_report", lambda gateway, _: report(gateway, 60.0))
    monkeypatch.setattr(
        "demo.gateway.time", types.SimpleNamespace(monotonic=lambda: clock.now, sleep=pause)
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotReady)
    server.num_asked = 0
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    gateway = Gateway("127.0.0.1", server.server_address[1], None)
    with pytest.raises(DemoError, match="it sleeps"):
        gateway.wait_until_ready({"demo-chat"}, 1.5)
    server.shutdown()
    # With pauses of a tenth of a second it would be asked 15 times.
    assert 1 <= server.num_asked <= 5


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:7"),
        ("0.0.0.0", "http://127.0.0.1:7"),
        ("::", "http://[::1]:7"),
    ],
)
def test_the_printed_url_can_be_opened(host, url):
    assert Gateway(host, 7, None).url == url


def test_a_gateway_that_ends_at_once_is_one_sentence(start, tmp_path):
    (tmp_path / "stand_in.py").write_text("raise SystemExit(3)")
    port, *triton = free_ports(4)
    process = start("--port", str(port), "--triton-ports", ",".join(map(str, triton)))
    # Without an answer its time does not pass: only its end can end this.
    assert "The server did not start (exit code 3)." in process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 2


def test_the_same_port_twice_is_one_sentence(start):
    one, two = free_ports(2)
    process = start("--port", str(one), "--triton-ports", f"{two},{two},{one}")
    printed = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 2
    assert re.fullmatch(r".* must all be different\.\n", printed)
