"""Starting and stopping the server, and configurations that do not fit the Triton."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.contracts import TENSOR_MODELS, TEXT_MODELS, VLLM_MODELS
from tests.live.entries import PATIENT
from tests.live.http import Server
from tests.live.servers import PROJECT, running, write_configuration
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
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_open_stream_is_finished_when_the_server_is_told_to_stop(
    configuration: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with running("gunicorn", configuration, tmp_path / "log") as server:
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
        timeout=60,
        check=False,
    )
    assert found.returncode == 4
    assert "llm[0].url" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_port_of_another_protocol_harms_its_own_model_alone(
    tritonserver: TritonServer, tmp_path: Path
) -> None:
    content: dict[str, Any] = {
        "llm": [{"name": "demo-chat", "url": tritonserver.grpc_url, "path": CHAT_MODEL}],
        "embedding": [{"name": "swapped", "url": tritonserver.grpc_url, "path": MINILM}],
    }
    swapped = {"name": "swapped-chat", "url": tritonserver.http_url, "path": CHAT_MODEL}
    content["llm"].append(swapped)
    path = write_configuration(tmp_path / "models.json", content)
    with running("gunicorn", path, tmp_path / "log") as server:
        answer = server.post("/v1/embeddings", {"model": "swapped", "input": "hello"})
        assert answer.status in (502, 503)
        report = server.get("/readyz")
        assert report.status == 503
        assert report.json()["models"]["demo-chat"]["ready"] is True
        assert report.json()["models"]["swapped"]["cause"]
        assert server.post(COMPLETIONS, completion("a", model="swapped-chat")).status == 503
        for hint in (GRPC_PORT, HTTP_PORT):
            assert hint in server.log_text()
    assert "Traceback" not in server.log_text()


MISMATCHES: list[tuple[str, dict[str, Any], str]] = [
    ("embedding", {"output_config": {"name": "wrong"}}, "no output wrong"),
    ("embedding", {"input_config": {"input_ids": "wrong"}}, "fit input_config"),
    ("embedding", {"triton_model": "demo-chat"}, "declares"),
    ("rerank", {"output_config": {"name": "wrong"}}, "no output wrong"),
    ("llm", {"triton_model": "all-minilm-l6-v2"}, "input_lengths"),
    ("llm", {"triton_model": "nothing"}, "nothing"),
]


@pytest.mark.parametrize(("section", "changes", "words"), MISMATCHES)
def test_check_config_finds_what_does_not_fit_the_triton(
    tritonserver: TritonServer, tmp_path: Path, section: str, changes: dict[str, Any], words: str
) -> None:
    url, folder, model = {
        "llm": (tritonserver.grpc_url, CHAT_MODEL, "demo-chat"),
        "embedding": (tritonserver.http_url, MINILM, "all-minilm-l6-v2"),
        "rerank": (tritonserver.http_url, MINILM, "minilm-reranker"),
    }[section]
    entry = {"name": "mine", "url": url, "path": folder, "triton_model": model}
    right = write_configuration(tmp_path / "right.json", {section: [entry]})
    wrong = write_configuration(tmp_path / "wrong.json", {section: [{**entry, **changes}]})
    assert openai_api("check-config", str(right), "--connect").returncode == 0
    found = openai_api("check-config", str(wrong), "--connect")
    assert found.returncode == 1
    assert words in found.stdout
    assert "Traceback" not in found.stderr


def test_a_request_to_a_model_of_another_backend_is_not_the_clients_mistake(
    tritonserver: TritonServer, tmp_path: Path
) -> None:
    """Nor is anything else of the request looked at first."""
    entry = {"name": "mine", "url": tritonserver.grpc_url, "path": CHAT_MODEL}
    content: dict[str, object] = {"llm": [{**entry, "triton_model": "vllm"}]}
    path = write_configuration(tmp_path / "models.json", content)
    with running("gunicorn", path, tmp_path / "log") as server:
        answer = server.post(COMPLETIONS, completion("Hello", model="mine", temperature=0.5))
        assert (answer.status, answer.json()["error"]["code"]) == (502, "backend_error")
    assert 'these are the inputs of a vLLM model; set "backend": "vllm"' in (
        tmp_path / "log"
    ).read_text().replace("\\", "")


OTHERS = ("tensorrt_llm", "vllm")
FASTERTRANSFORMER = 'inputs of a FasterTransformer model; set "backend": "fastertransformer"'
TENSORRT_LLM = 'inputs of a TensorRT-LLM model; set "backend": "tensorrt_llm"'
VLLM = 'inputs of a vLLM model; set "backend": "vllm"'
GRPC_PORT = "this looks like Triton's gRPC port; embedding and rerank need its HTTP port"
HTTP_PORT = "this looks like Triton's HTTP or metrics port; language models need its gRPC port"
# Entries in the wrong section, with the wrong backend or with the wrong port; section, model in
# Triton, keys, what is told.
MISPLACED: list[tuple[str, str, dict[str, Any], str]] = [
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


def test_check_config_names_the_cause_of_every_entry_that_is_in_the_wrong_place(
    tritonserver: TritonServer, tmp_path: Path
) -> None:
    content: dict[str, Any] = {"llm": [], "embedding": [], "rerank": []}
    for number, (section, model, keys, _) in enumerate(MISPLACED):
        is_language = section == "llm"
        url = keys.get("url", "grpc_url" if is_language else "http_url")
        entry = {
            **keys,
            "name": f"entry-{number}",
            "url": getattr(tritonserver, url),
            "path": CHAT_MODEL if is_language else MINILM,
            "triton_model": model,
            "timeouts": PATIENT,
        }
        content[section].append(entry)
    path = write_configuration(tmp_path / "models.json", content)
    found = openai_api("check-config", str(path), "--connect")
    assert found.returncode == 1, found.stderr
    lines = found.stdout.splitlines()
    for number, misplaced in enumerate(MISPLACED):
        told = [line for line in lines if line.startswith(f"entry-{number}: ")]
        assert misplaced[-1] in told[-1], misplaced


def test_the_log_tells_how_an_answer_ended(gateway: Server) -> None:
    gateway.post(
        COMPLETIONS, completion("Once upon a time", max_tokens=7), **{"x-request-id": "end-1"}
    )
    # Its line is written once the answer is sent.
    wait_until(lambda: '"request_id":"end-1"' in gateway.log_text(), "the line", 20)
    found = [line for line in gateway.log_text().splitlines() if "end-1" in line]
    (told,) = (json.loads(line) for line in found)
    assert (told["prompt_tokens"], told["completion_tokens"]) == (5, 7)
    assert told["finish_reasons"] == ["length"]


@pytest.mark.parametrize("host", ["::1", "127.0.0.1", "localhost"])
def test_it_listens_where_it_is_told_to_from_any_folder(
    configuration: Path, tmp_path: Path, host: str
) -> None:
    for name in ("app.py", "wsgi.py"):
        (tmp_path / name).write_text("raise SystemExit('a stranger was imported')")
    (port,) = free_ports(1)
    command = Path(sys.executable).with_name("openai-api")
    process = subprocess.Popen(
        [command, "--host", host, "--port", str(port), "--workers", "1"],
        cwd=tmp_path,
        env={**os.environ, "CONFIG_FILE": str(configuration)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Server(host, port, tmp_path / "log", process.pid)
        wait_until(lambda: is_up(server), "the start", 30)
    finally:
        process.terminate()
        process.wait(20)


def is_up(server: Server) -> bool:
    try:
        return server.get("/health").status == 200
    except OSError:
        return False
