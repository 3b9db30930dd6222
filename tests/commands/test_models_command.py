"""`openai-api models`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.applications import closed_port
from tests.commands.other_server import OtherServer
from tests.commands.running import run, terminal
from tests.live.http import Server
from tests.live.servers import running, write_configuration
from tests.tokenizers.cached import folder

HEADINGS = ["MODEL", "TASK", "TOKENS", "READY", "TRITONS"]


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each line by the first, of a table without causes."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


def test_the_demos_models(gateway: Server) -> None:
    found = run("models", "--url", gateway.url)
    assert (found.returncode, found.stderr) == (0, "")
    table = rows(found.stdout)
    assert table["MODEL"] == HEADINGS[1:]
    assert table["demo-chat"] == ["generate", "2048", "yes", "1/1"]
    assert table["all-minilm-l6-v2"] == ["embed", "256", "yes", "1/1"]
    assert table["minilm-reranker"] == ["rerank", "256", "yes", "1/1"]


def test_json(gateway: Server) -> None:
    found = run("models", "--url", gateway.url, "--json")
    (model,) = (each for each in json.loads(found.stdout)["models"] if each["id"] == "demo-chat")
    assert model == {
        "id": "demo-chat",
        "task": "generate",
        "max_model_len": 2048,
        "ready": True,
        "tritons": {"ready": 1, "total": 1},
        "cause": None,
    }


def test_a_model_that_is_not_ready_has_a_cause(tmp_path: Path) -> None:
    closed = f"127.0.0.1:{closed_port()}"
    entry = {"name": "lost", "url": [closed, f"127.0.0.1:{closed_port()}"]}
    content = {"embedding": [{**entry, "path": str(folder("wordpiece")), "max_tokens": 32}]}
    configuration = write_configuration(tmp_path / "models.json", content)
    with running("flask", configuration, tmp_path / "log") as server:
        found = run("models", "--url", server.url)
        assert found.returncode == 0, found.stderr
        assert "0/2" in found.stdout
        assert "cannot be reached" in found.stdout
        # What it says is for who has no log: no address.
        assert closed not in found.stdout
        (model,) = json.loads(run("models", "--url", server.url, "--json").stdout)["models"]
        assert (model["ready"], model["tritons"]) == (False, {"ready": 0, "total": 2})
        with terminal("models", "--url", server.url) as screen:
            screen.code()
            assert "\x1b[31mno" in screen.seen


def test_another_server_does_not_tell(other: OtherServer) -> None:
    other.models.append("evil\x1b[2J\nmodel")
    found = run("models", "--url", other.url)
    assert (found.returncode, found.stderr) == (0, "")
    assert rows(found.stdout)["other-model"] == ["unknown"] * 4
    assert "evil␛[2J model" in found.stdout
    (first, *_) = json.loads(run("models", "--url", other.url, "--json").stdout)["models"]
    assert first == {
        "id": "other-model",
        "task": None,
        "max_model_len": None,
        "ready": None,
        "tritons": None,
        "cause": None,
    }


def test_the_table_fits_a_narrow_terminal(gateway: Server) -> None:
    with terminal("models", "--url", gateway.url, COLUMNS="60") as screen:
        assert screen.code() == 0
        lines = screen.plain().splitlines()
    assert [line for line in lines if len(line) > 60] == []
    assert any(line.startswith("demo-chat") for line in lines)


def test_a_server_of_something_else(gateway: Server, tmp_path: Path) -> None:
    found = run("models", "--url", f"{gateway.url}/somewhere")
    assert found.returncode == 1
    assert "404" in found.stderr
