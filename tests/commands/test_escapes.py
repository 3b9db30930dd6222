"""What others say reaches a terminal without anything that the terminal would obey."""

from __future__ import annotations

from typing import Any

import pytest

from app.cli import main
from app.client.model_list import Model
from app.commands import models
from app.commands.add_model.questions import Questions
from app.commands.chat.conversation import Conversation, Sampling
from app.commands.chat.slash_commands import SlashCommands
from app.commands.chat.talk import Talk
from app.terminal.failures import CommandError
from tests.commands.other_server import OtherServer, last_event
from tests.commands.running import run

EVIL, SHOWN = "evil\x1b]0;owned\x07", "evil␛]0;owned␇"


def talk_with(server: Any) -> Talk:
    return Talk(server, Conversation("m", None, Sampling()))


class FixedServer:
    """A server whose models are given."""

    address = "http://localhost:1"

    def __init__(self, *models: Model) -> None:
        self._models = list(models)

    def models(self) -> list[Model]:
        return self._models


def test_the_task_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    server: Any = FixedServer(Model("m", EVIL))
    SlashCommands(server, Conversation("m", None, Sampling()), lambda: None).run("/model")
    assert capsys.readouterr().out == f"* m  {SHOWN}\n"


def test_the_name_of_a_model_that_says_nothing(other: OtherServer) -> None:
    other.models, other.answer = [EVIL], lambda _: [last_event()]
    found = run("chat", "--url", other.url, "Hi")
    assert found.returncode == 1
    assert f"the model {SHOWN} said nothing" in found.stderr
    assert "\x1b" not in found.stderr


def test_a_failure_and_its_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> list[Model]:
        raise CommandError(EVIL, advice=EVIL)

    monkeypatch.setattr(models, "_read", fail)
    assert main(["models"]) == 1
    assert capsys.readouterr().err == f"openai-api: error: {SHOWN}\n  {SHOWN}\n"


def test_a_failure_in_a_talk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(FixedServer):
        def models(self) -> list[Model]:
            raise CommandError(EVIL, advice=EVIL)

    lines = iter(["/model"])

    def read(_: str) -> str:
        for line in lines:
            return line
        raise EOFError

    monkeypatch.setattr("builtins.input", read)
    assert talk_with(Failing()).run() == 0
    out = capsys.readouterr().out
    assert f"{SHOWN}\n{SHOWN}\n" in out
    assert "\x1b" not in out


def test_what_add_model_says_and_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    """Names are Triton's."""
    questions = Questions(may_ask=False)
    questions.say(EVIL)
    assert capsys.readouterr().err == f"{SHOWN}\n"
    with pytest.raises(CommandError) as found:
        questions.choice("The model in Triton", "--triton-model", [EVIL, "b"])
    assert f"one of {SHOWN}, b" in found.value.message


def test_what_add_model_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def read(prompt: str) -> str:
        asked.append(prompt)
        return "y"

    monkeypatch.setattr("builtins.input", read)
    assert Questions(may_ask=True).confirm(f"Write this into {EVIL}?")
    assert asked == [f"Write this into {SHOWN}? [Y/n]: "]


def test_arguments_that_are_wrong() -> None:
    found = run("models", EVIL)
    assert found.returncode == 2
    assert SHOWN in found.stderr
    assert "\x1b" not in found.stderr
