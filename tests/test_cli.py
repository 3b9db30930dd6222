"""The command line, run as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.settings import PROJECT_ROOT, TABLE
from tests.applications import LLM, closed_port, standard_configuration, write_configuration
from tests.backends.encoders import encoder_config
from tests.registry.test_configuration import GUIDE
from tests.scripted_triton import Reply, ScriptedHttpTriton, ScriptedTriton
from tests.tokenizers.cached import folder

VARIABLES = {row.env for row in TABLE}


def run(*arguments: str, program: tuple[str, ...] = ("-m", "app"), **environ: str) -> Any:
    """The finished process, in an environment without settings but those given."""
    kept = {name: text for name, text in os.environ.items() if name not in VARIABLES}
    return subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=PROJECT_ROOT,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def help_text() -> str:
    found = run("--help")
    assert found.returncode == 0
    return str(found.stdout)


@pytest.mark.parametrize(
    "command",
    ["serve", "demo", "check-config", "add-model", "chat", "models", "bench", "completion"],
)
def test_help_names_every_command(help_text: str, command: str) -> None:
    assert command in help_text


def test_help_names_every_setting_with_its_variable(help_text: str) -> None:
    for row in TABLE:
        assert row.env in help_text
        assert all(flag in help_text for flag in row.flags)


def test_the_guides_program_is_the_same_command_line(help_text: str) -> None:
    found = run("--help", program=("openai_api_cli.py",))
    assert (found.returncode, found.stdout) == (0, help_text)


def test_an_unknown_flag() -> None:
    found = run("--prot", "5100")
    assert found.returncode == 2
    assert "Traceback" not in found.stderr


def written(base: Path, grpc: str, http: str, **info: Any) -> str:
    return str(write_configuration(base, standard_configuration(grpc, http, **info)))


def nowhere() -> str:
    return f"127.0.0.1:{closed_port()}"


@dataclass(frozen=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str


Check = Callable[..., Outcome]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """`openai-api check-config FILE`, in this process, where a traceback fails the test."""

    def run_it(path: str, *more: str) -> Outcome:
        code = main(["check-config", path, *more])
        return Outcome(code, *capsys.readouterr())

    return run_it


def test_check_config_prints_how_the_words_were_read(tmp_path: Path, check: Check) -> None:
    words = {"bad_words": [[300, 301], [1, 2]], "stop_words": [[302, 303]]}
    found = check(written(tmp_path, nowhere(), nowhere(), **words))
    assert found.code == 0, found.err
    assert LLM in found.out
    for ids in ("[300]", "[301]", "[302, 303]"):
        assert ids in found.out


def test_check_config_of_the_guides_example(tmp_path: Path, check: Check) -> None:
    content = json.loads(json.dumps(GUIDE).replace('"model"', json.dumps(str(folder("wordpiece")))))
    (tmp_path / "chatglm2.jinja").write_text("{{ messages }}")
    found = check(str(write_configuration(tmp_path, content)))
    assert found.code == 0, found.err
    assert "[7768]" in found.out


def test_check_config_of_words_that_the_tokenizer_cannot_decode(
    tmp_path: Path, check: Check
) -> None:
    words = {"bad_words": [[300, -1], [5, 6], [2**31 - 1]]}
    found = check(written(tmp_path, nowhere(), nowhere(), **words))
    assert found.code in (0, 2)


BROKEN = {
    "lm": [],
    "llm": [{"name": "a", "url": "x", "path": "absent"}],
    "rerank": [{"name": "b", "url": "localhost:1", "path": "absent"}],
}


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_broken_file_is_told_whole_without_a_traceback(tmp_path: Path, command: str) -> None:
    path = str(write_configuration(tmp_path, BROKEN))
    arguments = ("check-config", path) if command == "check-config" else ("--config-file", path)
    found = run(*arguments)
    assert found.returncode == 2
    for place in ("lm", "llm[0].url", "rerank[0].path"):
        assert place in found.stderr
    assert "Traceback" not in found.stderr


def test_a_folder_without_a_tokenizer_is_told_with_its_path(tmp_path: Path, check: Check) -> None:
    (tmp_path / "empty").mkdir()
    content = {"embedding": [{"name": "e", "url": "localhost:1", "path": "empty"}]}
    found = check(str(write_configuration(tmp_path, content)))
    assert found.code == 2
    assert "embedding[0].path" in found.err


def test_a_template_that_cannot_be_compiled_is_told_with_its_path(
    tmp_path: Path, check: Check
) -> None:
    path = written(tmp_path, nowhere(), nowhere())
    (tmp_path / "chatml.jinja").write_text("{% for")
    found = check(path)
    assert found.code == 2
    assert "llm[0].chat_template" in found.err


def test_a_template_in_another_encoding_is_told(tmp_path: Path, check: Check) -> None:
    path = written(tmp_path, nowhere(), nowhere())
    (tmp_path / "chatml.jinja").write_bytes("{{ '你好' }}".encode("gbk"))
    found = check(path)
    assert found.code == 2
    assert "llm[0].chat_template: The file is not UTF-8 text" in found.err


def test_connect_asks_every_triton(
    tmp_path: Path, check: Check, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    outputs = {"last_hidden_state": [-1, 3], "logits": [1]}
    http_triton.config = encoder_config(outputs=outputs)
    found = check(written(tmp_path, triton.address, http_triton.address), "--connect")
    assert found.code == 0, found.err
    assert found.out.count(": ready") == 3


def test_connect_exits_with_1_when_a_model_is_not_ready(
    tmp_path: Path, check: Check, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    triton.is_ready = False
    http_triton.ready = lambda: Reply(400)
    found = check(written(tmp_path, triton.address, http_triton.address), "--connect")
    assert found.code == 1
    assert found.out.count("that is ready") == 3


def test_connect_exits_with_1_when_nobody_answers(tmp_path: Path, check: Check) -> None:
    found = check(written(tmp_path, nowhere(), nowhere()), "--connect")
    assert found.code == 1


@pytest.mark.parametrize("command", [("--port", "70000"), ("check-config", "model_config.json")])
def test_bad_settings_are_told_whole(command: tuple[str, ...]) -> None:
    found = run(*command, WORKERS="none", LOG_LEVEL="loud")
    assert found.returncode == 2
    assert "WORKERS" in found.stderr
    assert "LOG_LEVEL" in found.stderr
    assert "Traceback" not in found.stderr


def test_the_guides_flags_are_taken(tmp_path: Path) -> None:
    """Every flag is read before the file, whose mistakes then end the start."""
    path = str(write_configuration(tmp_path, BROKEN))
    found = run(
        *("--host", "0.0.0.0", "--port", "5100", "--uvicorn-log-level", "trace"),
        *("--response-role", "user", "--verbose", "--config-file", path),
        program=("openai_api_cli.py",),
    )
    assert found.returncode == 2
    assert "llm[0].url" in found.stderr


@pytest.mark.parametrize("flag", ["--log-level", "--uvicorn-log-level"])
def test_a_bad_log_level_says_which_there_are(flag: str) -> None:
    found = run(flag, "loud")
    assert found.returncode == 2
    assert "trace" in found.stderr


def test_a_description_without_a_model_is_a_warning(tmp_path: Path, check: Check) -> None:
    content = standard_configuration(nowhere(), nowhere())
    content["model_infos"].append({"name": "nobody"})
    found = check(str(write_configuration(tmp_path, content)))
    assert found.code == 0
    assert "warning" in found.out
    assert "nobody" in found.out


def test_check_config_tells_what_to_do_next(
    tmp_path: Path, check: Check, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    outputs = {"last_hidden_state": [-1, 3], "logits": [1]}
    http_triton.config = encoder_config(outputs=outputs)
    path = written(tmp_path, triton.address, http_triton.address)
    assert f"openai-api check-config {path} --connect" in check(path).out
    assert f"openai-api --config-file {path}" in check(path, "--connect").out
    triton.is_ready = False
    assert "Is each Triton running" in check(path, "--connect").out
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    assert "openai-api add-model" in check(str(empty)).out


def test_check_config_names_the_tritons(tmp_path: Path, check: Check) -> None:
    """Where a model that is not ready is looked for."""
    address = nowhere()
    assert f"at {address}" in check(written(tmp_path, address, address)).out


def test_words_of_the_file_cannot_command_the_terminal(tmp_path: Path, check: Check) -> None:
    content = standard_configuration(nowhere(), nowhere())
    content["embedding"][0]["name"] = "evil\x1b[2J"
    found = check(str(write_configuration(tmp_path, content)))
    assert "evil␛[2J" in found.out
    content["rerank"][0]["path"] = "evil\x1b[2J"
    found = check(str(write_configuration(tmp_path, content)))
    assert "\x1b" not in found.out + found.err
