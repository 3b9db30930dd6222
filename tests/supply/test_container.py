"""The application runs as compose.yaml runs it: nobody's rights, and nothing to write to but /tmp.

A container engine is not needed: the test uses the kernel's namespaces itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.live.entries import PATIENT
from tests.live.http import JSON_HEADERS
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until
from tests.supply.container import UID, Container, container
from tests.supply.locks import PROJECT
from tests.tokenizers.cached import folder

CHAT = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello!"}]}
STORY = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 400, "ignore_eos": True}
# The folder's own tokenizer code is copied to /tmp before it runs.
OWN_CODE = "own-code"


@pytest.fixture(scope="module")
def run(tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/LocalRun: the configuration and the models' folders, without the weights."""
    run = tmp_path_factory.mktemp("run")
    weights = shutil.ignore_patterns("*.safetensors")
    for source in (DEMO / "models/demo-chat", DEMO / "models/all-minilm-l6-v2", folder("chatglm2")):
        shutil.copytree(source, run / source.name, ignore=weights)
    llm = {"url": tritonserver.grpc_url, "triton_model": "demo-chat", "timeouts": PATIENT}
    encoder = {"url": tritonserver.http_url, "path": "all-minilm-l6-v2", "timeouts": PATIENT}
    own = {"path": "chatglm2", "trust_remote_code": True, **llm}
    content = {
        "model_infos": [{"name": OWN_CODE, "end_id": 2, "max_len": 64}],
        "llm": [
            {"name": "demo-chat", "path": "demo-chat", **llm},
            {"name": OWN_CODE, "chat_template": "chatglm2.jinja", **own},
        ],
        "embedding": [{"name": "all-minilm-l6-v2", **encoder}],
        "rerank": [{"name": "minilm-reranker", **encoder}],
    }
    write_configuration(run / "model_config.json", content)
    return run


@pytest.fixture(scope="module")
def running(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    (port,) = free_ports(1)
    with container(tmp_path_factory.mktemp("container"), run, port) as found:
        yield found


def test_it_is_healthy_and_ready(running: Container) -> None:
    assert running.server.get("/health").status == 200
    wait_until(lambda: running.server.get("/readyz").status == 200, "the models")


def test_it_has_no_rights(running: Container) -> None:
    wait_until(lambda: len(running.processes()) == 3, "a master and two workers")
    for pid in running.processes():
        status = running.status(pid)
        assert status["NoNewPrivs"] == "1"
        if UID:
            assert set(status["Uid"].split()) == {str(UID)}
        capabilities = [value for name, value in status.items() if name.startswith("Cap")]
        assert [int(value, 16) for value in capabilities] == [0] * 5


def test_nothing_but_tmp_can_be_written(running: Container) -> None:
    """Of /proc and the devices a container without rights changes nothing either."""
    devices = {f"/dev/{name}" for name in ("null", "zero", "random", "urandom")}
    assert running.writable_mounts() == {"/tmp", "/proc"} | devices


def test_chat_embeddings_and_rerank(running: Container) -> None:
    server = running.server
    assert server.events("/v1/chat/completions", CHAT)[-1]["choices"][0]["finish_reason"] == "stop"
    vectors = server.post("/v1/embeddings", {"model": "all-minilm-l6-v2", "input": ["a", "b"]})
    assert [len(each["embedding"]) for each in vectors.json()["data"]] == [384, 384]
    body = {"model": "minilm-reranker", "query": "a cat", "documents": ["stocks", "a kitten"]}
    assert server.post("/v1/rerank", body).json()["results"][0]["index"] == 1


def test_a_folders_own_tokenizer_code(running: Container) -> None:
    answer = running.server.post("/tokenize", {"model": OWN_CODE, "prompt": "a"})
    assert answer.status == 200, answer.body


def test_a_large_body(running: Container) -> None:
    """Nothing writes a body to a file."""
    body = json.dumps({"model": OWN_CODE, "prompt": "a"}).encode() + b" " * 8 * 2**20
    answer = running.server.request("POST", "/tokenize", body, JSON_HEADERS)
    assert answer.status == 200, answer.body


def test_it_fits_into_what_compose_gives_it(running: Container) -> None:
    gateway = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]["gateway"]
    found = [running.status(pid) for pid in running.processes()]
    used = sum(int(status["RssAnon"].split()[0]) * 1024 for status in found)
    threads = sum(int(status["Threads"]) for status in found)
    print(f"{used / 2**20:.0f} MiB, {threads} threads")
    assert used < int(gateway["mem_limit"].removesuffix("g")) * 2**30 / 2
    assert threads < gateway["pids_limit"] / 2


def test_sigterm_ends_it_after_its_streams(running: Container) -> None:
    """The last test. As process 1 the master has no default for any signal."""
    with running.server.stream("/v1/completions", STORY) as stream:
        lines = stream.lines()
        next(lines)
        running.terminate()
        assert list(lines)[-1] == "data: [DONE]"
    log = running.server.log_text()
    assert running.process.wait(120) == 0, log
    for trouble in ("Traceback", "Read-only file system", "Permission denied"):
        assert trouble not in log
