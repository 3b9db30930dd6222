"""The programs behind "Copy as": each is run as it is, and must get what the page gets."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import KEY
from tests.clients.programs import HERE
from tests.live.http import Server

SECONDS = 60
# Everything that means something to a shell or in a literal.
HOSTILE = 'It\'s "so" \\n $HOME `id` $(id) ${x} %s !! \t#{y} \u2028 é 你好 👋 \x7f'
QUESTION = [{"role": "user", "content": "How do I start the server?"}]
STORY = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 12, "temperature": 0}

CHAT = {"model": "demo-chat", "messages": QUESTION, "temperature": 0}
# These are no parameters of OpenAI's method in Python.
OWN_FIELDS = {"top_k": 4, "repetition_penalty": 1.0, "min_p": 0, "ignore_eos": False}
PARROT = {"model": "ft-parrot", "messages": [{"role": "user", "content": HOSTILE}]}
EMBEDDINGS = {
    "model": "all-minilm-l6-v2",
    "input": ["one", HOSTILE],
    "dimensions": 64,
    "encoding_format": "base64",
}
RERANK = {
    "model": "minilm-reranker",
    "query": "Whose 'holiday'?",
    "documents": ["a day", HOSTILE, "holidays"],
    "top_n": 2,
}
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1.5,
    1e21,
    HOSTILE,
    [],
    {},
    [None, [True, {"a": {"b c": [HOSTILE]}}]],
    {"__proto__": 1, "class": None, HOSTILE: HOSTILE},
    {"long": ["a text that does not fit in one line with its neighbours"] * 3},
    [[{"deep": [{"text": "x" * 60, "more": [1, 2.5]}]}]],
]

Texts = Callable[..., dict[str, str]]


@pytest.fixture
def texts(modules: Page) -> Texts:
    """The page's `snippets(path, body, base)`."""

    def make(path: str, body: Any, base: str | None = None) -> dict[str, str]:
        script = """async ([path, body, base]) => {
            const { snippets } = await import(new URL("playground/snippets.js", document.baseURI));
            return snippets(path, body, base ?? undefined);
        }"""
        found: dict[str, str] = modules.evaluate(script, [path, body, base])
        return found

    return make


@pytest.fixture
def run(tmp_path: Path) -> Callable[[dict[str, str]], dict[str, str]]:
    """What each of the programs prints; keywords are variables of the environment."""
    modules = HERE / "node" / "node_modules"
    assert modules.exists(), "node_modules is made by: make test"
    (tmp_path / "node_modules").symlink_to(modules)

    def run_all(programs: dict[str, str], **variables: str) -> dict[str, str]:
        return {
            name: _output(_command(name, text, tmp_path), tmp_path, variables)
            for name, text in programs.items()
        }

    return run_all


def _command(name: str, text: str, folder: Path) -> list[str]:
    if name == "curl":
        return ["sh", "-euc", text]
    program = folder / ("program.py" if name == "python" else "program.mjs")
    program.write_text(text)
    return [sys.executable if name == "python" else "node", str(program)]


def _output(command: list[str], folder: Path, variables: dict[str, str]) -> str:
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONUTF8": "1", **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stderr}"
    return done.stdout


Run = Callable[..., dict[str, str]]
NO_KEY = {"OPENAI_API_KEY": "none"}


def with_key(texts: Texts, run: Run, server: Server, path: str, body: Any) -> dict[str, str]:
    """What the programs print that take the server's key from the environment."""
    programs = texts(path, body, f"{server.url}/")
    assert KEY not in "".join(programs.values())
    return run(programs, OPENAI_API_KEY=KEY)


def test_a_chat(texts: Texts, run: Run, site_server: Server, keyed_server: Server) -> None:
    body = {**CHAT, **OWN_FIELDS}
    answer = site_server.post("/v1/chat/completions", body).json()
    content = answer["choices"][0]["message"]["content"]
    printed = with_key(texts, run, keyed_server, "v1/chat/completions", body)
    assert json.loads(printed["curl"])["choices"] == answer["choices"]
    assert printed["python"] == printed["node"] == f"{content}\n"


def test_a_streamed_chat_with_usage(texts: Texts, run: Run, site_server: Server) -> None:
    answer = site_server.post("/v1/chat/completions", CHAT).json()
    content = answer["choices"][0]["message"]["content"]
    body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
    printed = run(texts("v1/chat/completions", body), **NO_KEY)
    events = [line for line in printed["curl"].splitlines() if line]
    assert events[-1] == "data: [DONE]"
    assert all(line.startswith("data: {") for line in events[:-1])
    assert printed["python"] == printed["node"] == f"{content}\n"


def test_every_letter_of_a_message_arrives(texts: Texts, run: Run) -> None:
    printed = run(texts("v1/chat/completions", PARROT), **NO_KEY)
    assert json.loads(printed["curl"])["choices"][0]["message"]["content"] == HOSTILE
    assert printed["python"] == printed["node"] == f"{HOSTILE}\n"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_a_tool_call_is_printed(texts: Texts, run: Run, is_streamed: bool) -> None:
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Bern"}}\n</tool_call>'
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    body = {
        "model": "ft-parrot",
        "messages": [{"role": "user", "content": call}],
        "tools": [tool],
        "stream": is_streamed,
    }
    printed = run(texts("v1/chat/completions", body), **NO_KEY)
    assert [name for name, text in printed.items() if "weather" not in text] == []


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
def test_a_completion(texts: Texts, run: Run, site_server: Server, is_streamed: bool) -> None:
    answer = site_server.post("/v1/completions", STORY).json()
    printed = run(texts("v1/completions", {**STORY, "stream": is_streamed}), **NO_KEY)
    text = answer["choices"][0]["text"]
    assert printed["python"] == printed["node"] == f"{text}\n"
    assert printed["curl"].startswith("data: " if is_streamed else "{")


def test_embeddings(texts: Texts, run: Run, site_server: Server) -> None:
    answer = site_server.post("/v1/embeddings", EMBEDDINGS).json()
    programs = texts("v1/embeddings", EMBEDDINGS)
    printed = run(programs, **NO_KEY)
    assert json.loads(printed["curl"])["data"] == answer["data"]
    assert [line.split()[0] for line in printed["python"].splitlines()] == ["64", "64"]
    assert printed["node"].count("64 [") == 2
    # The libraries decode what they have asked for themselves.
    assert "encoding_format" not in programs["python"] + programs["node"]


def test_a_rerank(texts: Texts, run: Run, site_server: Server, keyed_server: Server) -> None:
    answer = site_server.post("/v1/rerank", RERANK).json()
    printed = with_key(texts, run, keyed_server, "v1/rerank", RERANK)
    assert len(printed) == 3
    for text in printed.values():
        assert json.loads(text)["results"] == answer["results"]


def test_a_refused_request_ends_the_programs_with_an_error(texts: Texts, run: Run) -> None:
    programs = texts("v1/rerank", {**RERANK, "model": "no-such-model"})
    for name in ("python", "node"):
        with pytest.raises(AssertionError, match="404"):
            run({name: programs[name]}, **NO_KEY)


def test_literals_are_the_values(modules: Page, tmp_path: Path) -> None:
    script = """async (values) => {
        const url = new URL("playground/literals.js", document.baseURI);
        const { javascriptLiteral, json, pythonLiteral, shellWord } = await import(url);
        return values.map((text) => JSON.parse(text)).map((value) => [
            pythonLiteral(value), javascriptLiteral(value, 2), json(value),
            shellWord(JSON.stringify(value))]);
    }"""
    written = modules.evaluate(script, [json.dumps(value) for value in VALUES])
    for value, (python, _, text, _) in zip(VALUES, written, strict=True):
        assert ast.literal_eval(python) == value
        assert json.loads(text) == value
    lines = [f"console.log(JSON.stringify(\n{javascript}\n));" for _, javascript, _, _ in written]
    words = [word for _, _, _, word in written]
    for command in (
        ["node", "-e", "\n".join(lines)],
        # A line for each of the words that the shell sees.
        ["sh", "-c", f"printf '%s\\n' {' '.join(words)}"],
    ):
        printed = _output(command, tmp_path, {}).removesuffix("\n").split("\n")
        assert [json.loads(line) for line in printed] == VALUES


def test_the_menu_copies_by_keyboard_and_says_so(page: Page, site: str) -> None:
    page.goto("./#rerank")
    button = page.get_by_role("button", name="Copy as")
    items = page.get_by_role("menuitem")
    button.press("ArrowDown")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(items).to_have_count(3)
    expect(items.nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(items.nth(2)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(items.nth(0)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Copy as")).to_be_focused()
    expect(page.get_by_role("menu")).to_be_hidden()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Copied: Python")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert f'"{site}/v1/rerank"' in copied
    assert "How many days of paid holiday" in copied
    compile(copied, "snippet", "exec")


def test_the_menu_closes_when_the_reader_goes_on(page: Page) -> None:
    page.goto("./#embeddings")
    page.get_by_role("button", name="Copy as").click()
    expect(page.get_by_role("menu")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("menu")).to_be_hidden()


def test_copying_works_where_the_page_has_no_clipboard(page: Page) -> None:
    # As over plain HTTP from another machine.
    page.add_init_script("delete Navigator.prototype.clipboard")
    page.goto("./#rerank")
    page.get_by_role("button", name="Copy as").click()
    page.get_by_role("menuitem", name="curl").click()
    expect(page.get_by_role("status")).to_have_text("Copied: curl (shell)")
    query = page.get_by_label("Query")
    query.fill("")
    query.press("Control+V")
    expect(query).to_have_value(re.compile(r"^curl -sS 'http"))


def test_the_text_is_shown_where_nothing_can_be_copied(page: Page) -> None:
    page.add_init_script("delete Navigator.prototype.clipboard; document.execCommand = () => false")
    page.goto("./#rerank")
    page.get_by_role("button", name="Copy as").click()
    page.get_by_role("menuitem", name="Node").click()
    area = page.get_by_role("dialog").get_by_role("textbox")
    expect(area).to_be_focused()
    assert area.input_value().startswith("const answer = await fetch(")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
