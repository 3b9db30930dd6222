"""The programs in examples/ against the running demo, as a user starts them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.clients.expected import TOOL_CALL, chat_text
from tests.clients.programs import CLIENTS
from tests.docs import outputs
from tests.docs.commands import ADDRESS, ENVIRONMENT, run_python
from tests.docs.pages import PROJECT
from tests.live.http import Server

EXAMPLES = PROJECT / "examples"
RUN = {
    "anthropic_python.py",
    "chat.sh",
    "openai_python.py",
    "rerank.sh",
    "responses.py",
    "tools.py",
}
QUESTION = "How do I start the server?"


def run(server: Server, program: str, *arguments: str) -> str:
    """What a program prints that takes the server's address from the environment."""
    variables = {"OPENAI_BASE_URL": f"{server.url}/v1", "ANTHROPIC_BASE_URL": server.url}
    done = subprocess.run(
        [program, *arguments],
        cwd=PROJECT,
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == RUN


@pytest.mark.parametrize("name", sorted(RUN))
def test_the_address_is_the_demos_unless_another_is_given(name: str) -> None:
    assert ADDRESS in (EXAMPLES / name).read_text()


@pytest.mark.parametrize(
    "question", ["How do I add a model?", "Say \"7 + 5\" and \\, '$HOME',\nthen 你好 `now`!"]
)
def test_chat(gateway: Server, question: str) -> None:
    printed = run(gateway, "sh", "examples/chat.sh", question)
    assert printed.endswith("data: [DONE]\n\n")
    events = outputs.events(printed)
    assert outputs.text_of(events) == chat_text(gateway, question)
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": question}]}
    asked = gateway.post("/tokenize", body).json()["count"]
    assert events[-1]["usage"]["prompt_tokens"] == asked


def test_chat_without_a_question(gateway: Server) -> None:
    printed = run(gateway, "sh", "examples/chat.sh")
    assert outputs.text_of(outputs.events(printed)) == chat_text(gateway, QUESTION)


def test_openai_python(gateway: Server) -> None:
    whole, streamed, lengths = run_python(
        (EXAMPLES / "openai_python.py").read_text(), gateway.url
    ).splitlines()
    assert whole == streamed
    assert json.loads(lengths) == [384, 384]


def test_rerank(gateway: Server) -> None:
    printed = run(gateway, "sh", "examples/rerank.sh")
    assert json.loads(printed)["results"][0]["index"] == 2


def test_responses(gateway: Server) -> None:
    whole, streamed, second = run(gateway, sys.executable, "examples/responses.py").splitlines()
    assert whole == streamed == chat_text(gateway, "What is 7 + 5?")
    first = {"role": "user", "content": "What is 7 + 5?"}
    said = {"role": "assistant", "content": whole}
    conversation = [first, said, {"role": "user", "content": QUESTION}]
    assert second == chat_text(gateway, messages=conversation)


def test_anthropic(gateway: Server) -> None:
    python = str(CLIENTS / "current" / "bin" / "python")
    whole, streamed = run(gateway, python, "examples/anthropic_python.py").splitlines()
    assert whole == streamed == chat_text(gateway, QUESTION)


def test_tools(gateway: Server) -> None:
    """A parrot calls the tool if its user does, and then repeats what the tool has said."""
    printed = run(gateway, sys.executable, "examples/tools.py", "ft-parrot", TOOL_CALL)
    called, *answer = printed.splitlines()
    weather = "18 degrees and sunny in Paris"
    assert called == f"get_weather: {weather}"
    assert answer == ["<tool_response>", weather, "</tool_response>"]
