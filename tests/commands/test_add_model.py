"""`openai-api add-model` with the demo's real Triton, and what it says of wrong inputs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.registry import Timeouts
from demo.environment import DEMO
from demo.triton import TritonServer
from tests.applications import closed_port
from tests.commands.running import CTRL_D, terminal
from tests.live.entries import PATIENT
from tests.live.servers import running, write_configuration

CHAT, MINILM = DEMO / "models/demo-chat", DEMO / "models/all-minilm-l6-v2"
FILE = "models.json"


@pytest.fixture
def base(tmp_path: Path, tritonserver: TritonServer) -> Path:
    """A folder with the demo's configuration, for the tests' Triton, without the reranker."""
    content = {
        "llm": [{"name": "demo-chat", "url": tritonserver.grpc_url, "path": str(CHAT)}],
        "embedding": [
            {"name": "all-minilm-l6-v2", "url": tritonserver.http_url, "path": str(MINILM)}
        ],
    }
    write_configuration(tmp_path / FILE, content)
    return tmp_path


@pytest.fixture
def tritons(tritonserver: TritonServer) -> tuple[str, ...]:
    """The flags with both its addresses, whose ports are no neighbours."""
    return "--triton", tritonserver.http_url, "--triton", tritonserver.grpc_url


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    returncode: int
    stdout: str
    stderr: str


Add = Callable[..., Outcome]


@pytest.fixture
def add(base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Add:
    """`openai-api add-model` in that folder and in this process, which has no terminal."""
    monkeypatch.chdir(base)
    # A busy Triton may need longer than the second that an entry gives it by default.
    monkeypatch.setattr(
        "app.registry.loading.Timeouts", lambda **given: Timeouts(**{**given, **PATIENT})
    )

    def run_it(*arguments: str, file: str = FILE) -> Outcome:
        capsys.readouterr()
        code = main(["add-model", "--config-file", file, *arguments])
        return Outcome(code, *capsys.readouterr())

    return run_it


def content(base: Path) -> Any:
    return json.loads((base / FILE).read_text())


def test_a_reranker_is_added_and_served(
    base: Path, add: Add, tritons: tuple[str, ...], tritonserver: TritonServer, tmp_path: Path
) -> None:
    before = (base / FILE).read_text()
    found = add(*tritons, "--triton-model", "minilm-reranker", "--path", str(MINILM), "--yes")
    assert found.returncode == 0, found.stderr
    assert "SIGHUP" in found.stdout
    assert "minilm-reranker: ready" in found.stderr
    assert content(base)["rerank"] == [
        {"name": "minilm-reranker", "url": tritonserver.http_url, "path": str(MINILM)}
    ]
    # What was there is there as it was, and kept.
    assert (base / FILE).read_text().startswith(before.rstrip("}\n").rstrip())
    assert (base / f"{FILE}.bak").read_text() == before
    patient = content(base)
    patient["rerank"][0]["timeouts"] = PATIENT
    write_configuration(base / FILE, patient)
    with running("flask", base / FILE, tmp_path / "log") as server:
        answer = server.post(
            "/v1/rerank", {"model": "minilm-reranker", "query": "a", "documents": ["a", "b"]}
        )
        assert answer.status == 200


def test_a_language_model_under_another_name(
    base: Path, add: Add, tritons: tuple[str, ...], tritonserver: TritonServer
) -> None:
    found = add(
        *(*tritons, "--triton-model", "ft-slow", "--name", "slow", "--path", str(CHAT), "--yes"),
    )
    assert found.returncode == 0, found.stderr
    assert content(base)["llm"][1] == {
        "name": "slow",
        "url": tritonserver.grpc_url,
        "path": str(CHAT),
        "triton_model": "ft-slow",
    }
    assert main(["check-config", FILE, "--connect"]) == 0


@pytest.mark.parametrize(
    ("model", "backend"),
    [("vllm", "vllm"), ("trt-llm", "tensorrt_llm"), ("trt-bls", "tensorrt_llm")],
)
def test_the_backend_is_what_the_inputs_tell(
    base: Path, add: Add, tritons: tuple[str, ...], model: str, backend: str
) -> None:
    found = add(*tritons, "--triton-model", model, "--path", str(CHAT), "--dry-run")
    assert found.returncode == 0, found.stderr
    (entry,) = json.loads(found.stdout)["llm"]
    assert entry["backend"] == backend


def test_a_dry_run_writes_nothing(base: Path, add: Add, tritons: tuple[str, ...]) -> None:
    before = (base / FILE).read_bytes()
    found = add(
        *tritons,
        "--triton-model",
        "minilm-reranker",
        *("--path", str(MINILM), "--dry-run"),
    )
    assert found.returncode == 0, found.stderr
    assert set(json.loads(found.stdout)) == {"rerank"}
    assert (base / FILE).read_bytes() == before
    assert os.listdir(base) == [FILE]


def test_a_folder_beside_the_file_is_named_relative_to_it(
    base: Path,
    add: Add,
    tritons: tuple[str, ...],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(CHAT, base / "tokenizers/chat")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    given = str(base / "tokenizers/chat")
    found = add(*tritons, *MODEL, "--path", given, "--yes", file=str(base / FILE))
    assert found.returncode == 0, found.stderr
    assert content(base)["llm"][1]["path"] == "tokenizers/chat"


def test_a_folder_that_tells_too_little(base: Path, add: Add, tritons: tuple[str, ...]) -> None:
    bare = base / "vicuna-7b"
    bare.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(CHAT / name, bare / name)
    asked = (*tritons, "--triton-model", "ft-slow", "--path", "vicuna-7b", "--yes")
    found = add(*asked)
    assert found.returncode == 2
    assert "--end-id is missing" in found.stderr
    found = add(*asked, "--end-id", "2", "--max-len", "512", "--start-id", "0")
    assert found.returncode == 0, found.stderr
    assert "vicuna.jinja is a guess" in found.stderr
    facts = {"name": "ft-slow", "start_id": 0, "end_id": 2, "max_len": 512}
    assert content(base)["model_infos"] == [facts]
    assert content(base)["llm"][1]["chat_template"] == "vicuna.jinja"


def test_a_new_file_with_its_permissions(base: Path, add: Add, tritons: tuple[str, ...]) -> None:
    (base / FILE).unlink()
    asked = (*tritons, "--triton-model", "demo-chat", "--path", str(CHAT), "--yes")
    assert add(*asked).returncode == 0
    assert set(content(base)) == {"llm"}
    assert os.listdir(base) == [FILE]
    (base / FILE).chmod(0o640)
    (base / "link.json").symlink_to(FILE)
    found = add(*asked, "--name", "two", file="link.json")
    assert found.returncode == 0, found.stderr
    assert (base / "link.json").is_symlink()
    assert (base / FILE).stat().st_mode & 0o777 == 0o640
    assert [entry["name"] for entry in content(base)["llm"]] == ["demo-chat", "two"]


MODEL = ("--triton-model", "ft-slow")
PATH = ("--path", str(CHAT))
WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such model": (("--triton-model", "absent", *PATH), 2, "has no model absent"),
    "no model named": (PATH, 2, "--triton-model is missing"),
    "no folder named": (MODEL, 2, "--path is missing"),
    "no such folder": ((*MODEL, "--path", "absent"), 2, "there is no folder absent"),
    "a folder without a tokenizer": (
        ("--triton-model", "minilm-reranker", "--path", "/"),
        2,
        "rerank[0].path",
    ),
    "a name that is taken": ((*MODEL, *PATH, "--name", "demo-chat"), 2, "already"),
    "no such template": (
        (*MODEL, *PATH, "--chat-template", "absent.jinja"),
        2,
        "llm[1].chat_template: there is no file",
    ),
    "another backend": ((*MODEL, *PATH, "--backend", "vllm"), 1, '"backend": "fastertransformer"'),
    "another task": ((*MODEL, *PATH, "--task", "embed"), 1, "it looks like generate"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_told_and_nothing_is_written(
    base: Path, add: Add, tritons: tuple[str, ...], case: str
) -> None:
    arguments, code, told = WRONG[case]
    before = (base / FILE).read_bytes()
    found = add(*tritons, *arguments, "--yes")
    assert (found.returncode, found.stdout) == (code, "")
    assert told in found.stderr
    assert "Traceback" not in found.stderr
    assert (base / FILE).read_bytes() == before
    assert os.listdir(base) == [FILE]


@pytest.mark.parametrize(
    ("address", "code", "told"),
    [
        ("localhost", 2, "no address with a port"),
        ("localhost:0", 2, "no address with a port"),
        ("localhost:http", 2, "no address with a port"),
        (f"localhost:{closed_port()}", 1, "no Triton answers"),
    ],
    ids=["no port", "port 0", "no number", "nobody there"],
)
def test_wrong_addresses(add: Add, address: str, code: int, told: str) -> None:
    found = add("--triton", address, "--yes")
    assert found.returncode == code
    assert told in found.stderr


def test_a_server_that_is_no_triton(add: Add, other: Any) -> None:
    found = add("--triton", other.url, "--yes")
    assert found.returncode == 1
    assert "no Triton answers" in found.stderr


def test_the_metrics_port_is_not_the_one(add: Add, tritonserver: TritonServer) -> None:
    address = tritonserver.metrics_url.removeprefix("http://").removesuffix("/metrics")
    found = add("--triton", address, "--yes")
    assert found.returncode == 1
    assert "no Triton answers" in found.stderr


def test_a_port_of_the_other_protocol(add: Add, tritonserver: TritonServer) -> None:
    found = add("--triton", tritonserver.http_url, *MODEL, *PATH, "--yes")
    assert found.returncode == 2
    assert "reached over gRPC" in found.stderr
    assert f"--triton {tritonserver.http_url} --triton HOST:PORT" in found.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "must hold an object"),
        ('{"llm": [{"name": "a"}]}', "llm[0].url"),
        ('{"embedding": 7}', "must be a list"),
    ],
)
def test_a_file_with_mistakes_is_not_touched(
    base: Path, add: Add, tritons: tuple[str, ...], text: str, told: str
) -> None:
    (base / FILE).write_text(text)
    found = add(*tritons, *MODEL, *PATH, "--yes")
    assert found.returncode == 2
    assert told in found.stderr
    assert (base / FILE).read_text() == text


def test_without_a_terminal_yes_must_be_said(
    base: Path, add: Add, tritons: tuple[str, ...]
) -> None:
    found = add(*tritons, *MODEL, *PATH)
    assert found.returncode == 2
    assert "--yes" in found.stderr
    assert len(content(base)["llm"]) == 1


def test_names_cannot_command_the_terminal(add: Add, tritons: tuple[str, ...]) -> None:
    found = add(*tritons, *MODEL, *PATH, "--name", "evil\x1b[2J", "--yes")
    assert found.returncode == 0, found.stderr
    assert "evil␛[2J: ready" in found.stderr
    assert "evil␛[2J is in " in found.stdout
    assert "\x1b" not in found.stdout + found.stderr
    found = add(*tritons, *MODEL, *PATH, "--name", "evil\x1b[2J", "--yes")
    assert "has a model evil␛[2J already" in found.stderr


def test_a_folder_that_cannot_be_written(base: Path, add: Add, tritons: tuple[str, ...]) -> None:
    found = add(*tritons, *MODEL, *PATH, "--yes", file="absent/models.json")
    assert found.returncode == 1
    assert "cannot be written" in found.stderr


def test_an_installed_demos_configuration_is_not_written_to(
    add: Add, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.commands.add_model.run.IS_INSTALLED", True)
    monkeypatch.delenv("CONFIG_FILE", raising=False)
    assert main(["add-model", "--triton", "localhost:1", "--yes"]) == 2
    assert "--config-file" in capsys.readouterr().err
    # A file that is named is the user's own.
    assert "no Triton answers" in add("--triton", f"localhost:{closed_port()}", "--yes").stderr


# ---- on a terminal


def test_questions_and_answers(base: Path, tritonserver: TritonServer) -> None:
    both = ("--triton", tritonserver.grpc_url, "--triton", tritonserver.http_url)
    with terminal("add-model", "--config-file", FILE, *both, cwd=base) as screen:
        screen.expect("demo-chat")
        screen.expect("The model in Triton: ")
        screen.line("none of these")
        screen.expect("One of the list, please")
        screen.line("minilm-reranker")
        screen.expect("its output logits is a score")
        screen.expect("The name for clients [minilm-reranker]: ")
        screen.line("reranker")
        screen.expect("Hugging Face folder: ")
        screen.line(str(MINILM))
        screen.expect("reranker: ready")
        screen.expect("[Y/n]: ")
        screen.line("")
        screen.expect("reranker is in ")
        assert screen.code() == 0
    (entry,) = content(base)["rerank"]
    assert (entry["name"], entry["triton_model"]) == ("reranker", "minilm-reranker")


@pytest.mark.parametrize("answer", ["n\n", CTRL_D])
def test_whoever_says_no_gets_nothing_written(
    base: Path, tritons: tuple[str, ...], answer: str
) -> None:
    before = (base / FILE).read_bytes()
    with asking(base, *tritons, *MODEL, *PATH, "--name", "x") as screen:
        screen.expect("[Y/n]: ")
        screen.type(answer)
        screen.expect("nothing is written")
        assert screen.code() in (1, 2)
    assert (base / FILE).read_bytes() == before


def test_a_template_is_chosen_from_the_list(base: Path, tritons: tuple[str, ...]) -> None:
    bare = base / "tokenizer"
    bare.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(CHAT / name, bare / name)
    with asking(base, *tritons, *MODEL, "--name", "x", "--path", "tokenizer") as screen:
        screen.expect("none is a guess, because nothing in the folder tells which")
        screen.expect("qwen.jinja")
        screen.expect("The chat template [none]: ")
        screen.line("qwen.jinja")
        screen.expect("the end token's id: ")
        screen.line("two")
        screen.expect("A number, please.")
        screen.line("2")
        screen.expect("[Y/n]: ")
        screen.line("y")
        assert screen.code() == 0
    assert content(base)["llm"][1]["chat_template"] == "qwen.jinja"
    assert content(base)["model_infos"] == [{"name": "x", "end_id": 2}]


def asking(base: Path, *arguments: str) -> Any:
    return terminal("add-model", "--config-file", FILE, *arguments, cwd=base)
