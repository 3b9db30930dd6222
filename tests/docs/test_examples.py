"""The programs in examples/ against the running demo."""

from __future__ import annotations

import json

from tests.docs import outputs
from tests.docs.commands import run_python, run_shell
from tests.docs.pages import PROJECT
from tests.live.http import Server

EXAMPLES = PROJECT / "examples"
RUN = {"chat.sh", "openai_python.py", "rerank.sh"}


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == RUN


def test_chat(gateway: Server) -> None:
    script = (EXAMPLES / "chat.sh").read_text()
    for arguments in ((), ("How do I add a model?",)):
        printed = run_shell(script, gateway.url, *arguments)
        assert printed.endswith("data: [DONE]\n\n")
        assert outputs.text_of(outputs.events(printed))


def test_openai_python(gateway: Server) -> None:
    whole, streamed, lengths = run_python(
        (EXAMPLES / "openai_python.py").read_text(), gateway.url
    ).splitlines()
    assert whole == streamed
    assert json.loads(lengths) == [384, 384]


def test_rerank(gateway: Server) -> None:
    printed = run_shell((EXAMPLES / "rerank.sh").read_text(), gateway.url)
    assert json.loads(printed)["results"][0]["index"] == 2
