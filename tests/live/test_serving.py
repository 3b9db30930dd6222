"""Starting and stopping the server, and configurations that do not fit the Triton."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.contracts import TENSOR_MODELS, TEXT_MODELS, VLLM_MODELS
from tests.live.entries import PATIENT
from tests.live.http import Server
from tests.live.servers import PROJECT, START_SECONDS, running, write_configuration
from tests.live.test_generation import COMPLETIONS, completion
from tests.live.waiting import wait_until

MINILM = str(DEMO / "models/all-minilm-l6-v2")
CHAT_MODEL = str(DEMO / "models/demo-chat")


def openai_api(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@contextmanager
def listening(entries: dict[str, Any], folder: Path, host: str) -> Iterator[Server]:
    """The installed program at this address, started in `folder`, where others' modules are."""
    for name in ("app.py", "wsgi.py"):
        (folder / name).write_text("raise SystemExit('a stranger was imported')")
    models = [entry for entry in entries["llm"] if entry["name"] == "ft-slow"]
    path, log = write_configuration(folder / "models.json", {"llm": models}), folder / "log"
    (port,) = free_ports(1)
    command = Path(sys.executable).with_name("openai-api")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [command, "--host", host, "--port", str(port), "--workers", "1"],
            cwd=folder,
            env={**os.environ, "CONFIG_FILE": str(path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    server = Server(host, port, log, process.pid)
    try:
        wait_until(lambda: is_up(server, process), "the start", START_SECONDS)
        yield server
        assert process.wait(START_SECONDS) == 0, server.log_text()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_up(server: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, server.log_text()
    try:
        return server.get("/health").status == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("host", "number"),
    [("::1", signal.SIGINT), ("127.0.0.1", signal.SIGTERM), ("localhost", signal.SIGTERM)],
)
def test_it_listens_where_it_is_told_to_and_finishes_an_open_stream_when_told_to_stop(
    entries: dict[str, Any], tmp_path: Path, host: str, number: signal.Signals
) -> None:
    with listening(entries, tmp_path, host) as server:
        body = completion("Once upon a time", model="ft-slow", max_tokens=30)
        with server.stream(COMPLETIONS, body) as stream:
            lines = stream.lines()
            next(lines)
            # As a terminal does it: to the master and its workers alike.
            target = os.killpg if number == signal.SIGINT else os.kill
            target(server.pid, number)
            assert list(lines)[-1] == "data: [DONE]"
    assert "Traceback" not in server.log_text()


def test_a_port_in_use_is_one_sentence(configuration: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = openai_api(
            "--port", port, "--host", "127.0.0.1", "--config-file", str(configuration)
        )
    assert found.returncode == 2
    assert f"port {port}: Address already in use" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_broken_configuration_under_another_host_is_no_traceback(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "broken.json", {"llm": [{"name": "a"}]})
    found = subprocess.run(
        [sys.executable, "-c", "import wsgi"],
        cwd=PROJECT,
        env={**os.environ, "CONFIG_FILE": str(path)},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert found.returncode == 4
    assert "llm[0].url" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.fixture(scope="module")
def misconfigured(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One model that is right, two with the port of another protocol, one with a wrong backend."""
    grpc, http = tritonserver.grpc_url, tritonserver.http_url
    chat = {"path": CHAT_MODEL, "timeouts": PATIENT}
    minilm = {"path": MINILM, "timeouts": PATIENT}
    content: dict[str, object] = {
        "llm": [
            {**chat, "name": "demo-chat", "url": grpc},
            {**chat, "name": "swapped-chat", "url": http},
            {**chat, "name": "mine", "url": grpc, "triton_model": "vllm"},
        ],
        "embedding": [{**minilm, "name": "swapped", "url": grpc}],
    }
    base = tmp_path_factory.mktemp("misconfigured")
    path = write_configuration(base / "models.json", content)
    with running("gunicorn", path, base / "log") as server:
        yield server
    assert "Traceback" not in server.log_text()


def test_a_port_of_another_protocol_harms_its_own_model_alone(misconfigured: Server) -> None:
    server = misconfigured
    answer = server.post("/v1/embeddings", {"model": "swapped", "input": "hello"})
    assert answer.status in (502, 503)
    report = server.get("/readyz")
    assert report.status == 503
    assert report.json()["models"]["demo-chat"]["ready"] is True
    assert report.json()["models"]["swapped"]["cause"]
    assert server.post(COMPLETIONS, completion("a", model="swapped-chat")).status == 503
    for hint in (GRPC_PORT, HTTP_PORT):
        wait_for_line(server, hint)


def test_a_request_to_a_model_of_another_backend_is_not_the_clients_mistake(
    misconfigured: Server,
) -> None:
    """Nor is anything else of the request looked at first."""
    answer = misconfigured.post(COMPLETIONS, completion("Hello", model="mine", temperature=0.5))
    assert (answer.status, answer.json()["error"]["code"]) == (502, "backend_error")
    wait_for_line(misconfigured, 'these are the inputs of a vLLM model; set "backend": "vllm"')


def wait_for_line(server: Server, words: str) -> None:
    """A thread writes the log, maybe behind the answer."""
    wait_until(lambda: words in server.log_text().replace("\\", ""), f"{words} in the log")


OTHERS = ("tensorrt_llm", "vllm")
FASTERTRANSFORMER = 'inputs of a FasterTransformer model; set "backend": "fastertransformer"'
TENSORRT_LLM = 'inputs of a TensorRT-LLM model; set "backend": "tensorrt_llm"'
VLLM = 'inputs of a vLLM model; set "backend": "vllm"'
GRPC_PORT = "this looks like Triton's gRPC port; embedding and rerank need its HTTP port"
HTTP_PORT = "this looks like Triton's HTTP or metrics port; language models need its gRPC port"
# Entries that do not fit the Triton, and those in the wrong section, with the wrong backend or with
# the wrong port; section, model in Triton, keys, what is told.
UNFIT: list[tuple[str, str, dict[str, Any], str]] = [
    ("embedding", "all-minilm-l6-v2", {"output_config": {"name": "wrong"}}, "no output wrong"),
    ("embedding", "all-minilm-l6-v2", {"input_config": {"input_ids": "wrong"}}, "fit input_config"),
    ("embedding", "demo-chat", {}, "declares"),
    ("rerank", "minilm-reranker", {"output_config": {"name": "wrong"}}, "no output wrong"),
    ("llm", "all-minilm-l6-v2", {}, "input_lengths"),
    ("llm", "nothing", {}, "nothing"),
    ("embedding", "minilm-reranker", {}, "move the entry to rerank"),
    ("rerank", "all-minilm-l6-v2", {}, "move the entry to embedding"),
    ("rerank", "embed-pooled", {}, "move the entry to embedding"),
    *(("llm", "demo-chat", {"backend": name}, FASTERTRANSFORMER) for name in OTHERS),
    *(("llm", name, {}, TENSORRT_LLM) for name in (*TENSOR_MODELS, *TEXT_MODELS)),
    *(("llm", name, {"backend": "vllm"}, TENSORRT_LLM) for name in (*TENSOR_MODELS, *TEXT_MODELS)),
    *(("llm", name, {}, VLLM) for name in VLLM_MODELS),
    *(("llm", name, {"backend": "tensorrt_llm"}, VLLM) for name in VLLM_MODELS),
    ("llm", "demo-chat", {"url": "http_url"}, HTTP_PORT),
    ("embedding", "all-minilm-l6-v2", {"url": "grpc_url"}, GRPC_PORT),
    ("rerank", "minilm-reranker", {"url": "grpc_url"}, GRPC_PORT),
]
FIT = [
    ("llm", "demo-chat"),
    ("embedding", "all-minilm-l6-v2"),
    ("rerank", "minilm-reranker"),
]


def checked(
    triton: TritonServer, folder: Path, models: Sequence[tuple[str, str, dict[str, Any]]]
) -> subprocess.CompletedProcess[str]:
    """What check-config says of entry-0, entry-1 and so on."""
    content: dict[str, Any] = {"llm": [], "embedding": [], "rerank": []}
    for number, (section, model, keys) in enumerate(models):
        is_language = section == "llm"
        url = keys.get("url", "grpc_url" if is_language else "http_url")
        entry = {
            "path": CHAT_MODEL if is_language else MINILM,
            "triton_model": model,
            "timeouts": PATIENT,
            **keys,
            "name": f"entry-{number}",
            "url": getattr(triton, url),
        }
        content[section].append(entry)
    path = write_configuration(folder / "models.json", content)
    return openai_api("check-config", str(path), "--connect")


def test_check_config_names_the_cause_of_every_entry_that_does_not_fit_the_triton(
    tritonserver: TritonServer, tmp_path: Path
) -> None:
    found = checked(tritonserver, tmp_path, [row[:3] for row in UNFIT])
    assert found.returncode == 1, found.stderr
    lines = found.stdout.splitlines()
    for number, unfit in enumerate(UNFIT):
        told = [line for line in lines if line.startswith(f"entry-{number}: ")]
        assert unfit[-1] in told[-1], unfit
    assert "Traceback" not in found.stderr


def test_check_config_finds_what_fits_the_triton(
    tritonserver: TritonServer, tmp_path: Path
) -> None:
    found = checked(tritonserver, tmp_path, [(*row, {}) for row in FIT])
    assert found.returncode == 0, found.stdout + found.stderr
    for number in range(len(FIT)):
        assert f"entry-{number}: ready" in found.stdout


def test_the_log_tells_how_an_answer_ended(misconfigured: Server) -> None:
    server = misconfigured
    server.post(
        COMPLETIONS, completion("Once upon a time", max_tokens=7), **{"x-request-id": "end-1"}
    )
    # Its line is written once the answer is sent.
    wait_until(lambda: '"request_id":"end-1"' in server.log_text(), "the line")
    found = [line for line in server.log_text().splitlines() if "end-1" in line]
    (told,) = (json.loads(line) for line in found)
    assert (told["prompt_tokens"], told["completion_tokens"]) == (5, 7)
    assert told["finish_reasons"] == ["length"]
