"""What answers look like: Markdown, coloured tokens, reasoning, tool calls."""

from __future__ import annotations

import json
import math
import random

import pytest
from playwright.sync_api import Page, expect

from tests.browser.chats import (
    CALL,
    PATH,
    TOOL,
    answer_with,
    ask,
    begin,
    bodies_sent,
    delta,
    fill_in_tools,
    finished,
    open_chat,
)
from tests.browser.routes import LINGER
from tests.live.http import Server

MARKDOWN = """# Title

Some **bold**, *italic* and `code`, a [link](https://example.com/a).

1. first
   - nested
2. second

```python
def f(x):
    return x
```

| a | b |
|:--|--:|
| 1 | 2 |

> quoted

---
"""
HOSTILE = (
    '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    "[a](javascript:document.title=3) [b](data:text/html,x) <javascript:x>\n"
    "```<script>\n</code></pre><script>document.title=4</script>\n```"
)
TEXTS = [
    MARKDOWN,
    HOSTILE,
    "a\n\nb\nc\n\n- x\n\n- y\n  - z\n\n    more\n1. one\n\n2. two\n\nend",
    "- a\n\n- b\n\n* c\n- ",
    "```\nopen\n\nstill `open`",
    "| a |\n| - |\n| 1 |\n\n| a\n| b",
    "> a\nb\n\n> c\n\n    d\n**e\n\n*f* __g\n_",
    "line\r\n\r\n- a\r\n- b\r\n",
    "\n\n\n#\n##x\n### y ###\n***\n- - -\n",
]
# What texts are made of that are hard to take apart.
PARTS = (
    *("a", "word ", " ", "\n", "\n\n", "  ", "- ", "1. ", "2) ", "# ", "> ", "|", "|-|", "| x "),
    *("```", "`", "*", "**", "_", "~~", "[", "](", ")", "<", ">", "\\", "http", "s://a.b", "---"),
)
# Shows a text at once, and in pieces of every size, and gives both as HTML.
BOTH_WAYS = """async (text) => {
  const { MarkdownView } = await import(new URL("playground/markdown.js", document.baseURI));
  const shown = (size) => {
    const view = new MarkdownView();
    for (let at = 0; at < text.length; at += size) view.append(text.slice(at, at + size));
    const open = view.element.querySelector(".open-block");
    open?.replaceWith(...open.childNodes);
    return view.element.innerHTML;
  };
  return [1, 2, 3, 5, 7, 11, 10000].map(shown);
}"""
ALL_BOTH_WAYS = f"(texts) => Promise.all(texts.map({BOTH_WAYS}))"
# Gives how many of the blocks that were complete are other elements at the end.
REMADE = """async (text) => {
  const { MarkdownView } = await import(new URL("playground/markdown.js", document.baseURI));
  const view = new MarkdownView();
  const kept = [];
  for (const piece of text.match(/[^]{1,3}/g)) {
    view.append(piece);
    for (const block of view.element.children) {
      if (!block.matches(".open-block") && !kept.includes(block)) kept.push(block);
    }
  }
  return [kept.length, kept.filter((block) => !view.element.contains(block)).length];
}"""


def test_markdown_becomes_elements(page: Page) -> None:
    open_chat(page, "ft-parrot")
    answer = ask(page, MARKDOWN).locator(".markdown")
    expect(answer.get_by_role("heading", name="Title")).to_be_visible()
    for tag, text in (("strong", "bold"), ("em", "italic"), ("p > code", "code")):
        expect(answer.locator(tag)).to_have_text(text)
    expect(answer.locator("ol > li")).to_have_count(2)
    expect(answer.locator("ol ul > li")).to_have_text("nested")
    expect(answer.locator("pre code")).to_have_text("def f(x):\n    return x")
    expect(answer.locator(".code-head span")).to_have_text("python")
    expect(answer.locator("td")).to_have_text(["1", "2"])
    expect(answer.locator("blockquote")).to_have_text("quoted")
    link = answer.get_by_role("link", name="link")
    expect(link).to_have_attribute("href", "https://example.com/a")
    assert "noopener" in (link.get_attribute("rel") or "").split()


def test_code_is_copied(page: Page) -> None:
    page.add_init_script(LINGER)
    open_chat(page, "ft-parrot")
    answer = ask(page, "```\na\n  b\n```")
    answer.locator(".code").get_by_role("button", name="Copy").click()
    expect(answer.locator(".code")).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "a\n  b"


def test_what_a_model_writes_is_never_html(page: Page) -> None:
    """The page would also have told of a broken Content-Security-Policy."""
    open_chat(page, "ft-parrot")
    title = page.title()
    answer = ask(page, HOSTILE).locator(".markdown")
    expect(answer).to_contain_text("<img src=x onerror=")
    expect(answer.locator("img, script, iframe, [onerror], [style]")).to_have_count(0)
    expect(answer.locator("a")).to_have_count(0)
    assert page.title() == title


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_looks_the_same_however_it_came(modules: Page, text: str) -> None:
    shown = modules.evaluate(BOTH_WAYS, text)
    assert shown == [shown[-1]] * len(shown)


def test_random_texts_look_the_same_however_they_came(modules: Page) -> None:
    chance = random.Random(6)
    texts = ["".join(chance.choices(PARTS, k=chance.randint(2, 40))) for _ in range(150)]
    for text, shown in zip(texts, modules.evaluate(ALL_BOTH_WAYS, texts), strict=True):
        assert shown == [shown[-1]] * len(shown), repr(text)


def test_blocks_that_are_complete_stay_as_they_are(modules: Page) -> None:
    num_kept, num_remade = modules.evaluate(REMADE, MARKDOWN * 5)
    assert num_kept >= 30
    assert num_remade == 0


def test_a_long_answer_is_shown_whole(page: Page) -> None:
    """4,000 tokens that come at once."""
    open_chat(page)
    words = [f"word{number}" + (". " if number % 10 < 9 else ".\n\n") for number in range(4000)]
    answer_with(page, [*(delta(content=word) for word in words), "data: [DONE]\n\n"])
    answer = ask(page, "hi")
    expect(answer.locator(".markdown > p")).to_have_count(400 - 1)
    expect(answer.locator(".markdown")).to_contain_text("word3999")
    # The end is in sight.
    expect(answer.locator(".turn-foot")).to_be_in_viewport()


# ---- tokens


def test_tokens_are_coloured_by_their_probability(page: Page, site_server: Server) -> None:
    message = {"role": "user", "content": "Tell me a short story."}
    body = {"model": "demo-chat", "messages": [message], "temperature": 1, "seed": 5}
    whole = site_server.post("/v1/chat/completions", {**body, "logprobs": True}).json()
    expected = whole["choices"][0]["logprobs"]["content"]
    open_chat(page, temperature="1")
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Colour tokens").check()
    answer = ask(page, message["content"])
    tokens = answer.locator(".tokens .token")
    expect(tokens).to_have_count(len(expected))
    shown = tokens.evaluate_all(
        "all => all.map((one) => [one.textContent, one.className, one.title])"
    )
    for (text, names, title), found in zip(shown, expected, strict=True):
        assert text == found["token"].replace("\n", "↵\n")
        limits = [0.9, 0.5, 0.2, 0.05, 0]
        probability = math.exp(found["logprob"])
        kind = next(at for at, least in enumerate(limits) if probability >= least)
        assert f"likely-{kind}" in names
        assert f"{probability:.1%}".replace(".0%", "%") in title.replace("\N{NO-BREAK SPACE}", "")
    expect(answer.locator(".legend-line .token")).to_have_count(5)


def test_tokens_are_read_with_the_arrow_keys(page: Page) -> None:
    open_chat(page)
    page.get_by_label("Colour tokens").check()
    answer = ask(page, "What is 7 + 5?")
    tokens = answer.locator(".tokens")
    tokens.focus()
    detail = answer.locator(".token-detail")
    for key, at in (("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0)):
        tokens.press(key)
        expect(detail).to_contain_text(json.dumps(tokens.locator(".token").nth(at).text_content()))
    answer.get_by_role("button", name="Show text").click()
    expect(answer.locator(".markdown")).to_be_visible()
    expect(tokens).to_be_hidden()


def test_the_alternatives_of_a_token_are_told(page: Page) -> None:
    top = [{"token": " the", "logprob": -0.1}, {"token": " a", "logprob": -2.5}]
    entry = {"token": " the", "logprob": -0.1, "top_logprobs": top}
    choice = {"index": 0, "delta": {"content": " the"}, "logprobs": {"content": [entry]}}
    open_chat(page)
    answer_with(page, [f"data: {json.dumps({'choices': [choice]})}\n\n", "data: [DONE]\n\n"])
    answer = ask(page, "hi")
    title = answer.locator(".tokens .token").get_attribute("title")
    assert title == '" the" 90.5% (-0.100)\n" a" 8.2% (-2.500)'
    answer.locator(".tokens .token").click()
    expect(answer.locator(".token-detail")).to_contain_text('" a" 8.2% (-2.500)')


# ---- reasoning and tools


def test_reasoning_is_folded(page: Page) -> None:
    open_chat(page, "ft-parrot")
    answer = ask(page, "<think>\nI wonder.\n</think>\n\nYes.")
    expect(answer.locator(".markdown")).to_have_text("Yes.")
    thought = answer.locator(".reasoning-text")
    expect(thought).to_be_hidden()
    answer.get_by_text("Reasoning").click()
    expect(thought).to_contain_text("I wonder.")


def test_a_call_is_shown_and_answered(page: Page) -> None:
    open_chat(page, "ft-parrot")
    fill_in_tools(page, json.dumps([TOOL]))
    sent = bodies_sent(page)
    answer = ask(page, CALL)
    expect(answer.locator(".tool-name")).to_have_text("get_weather")
    expect(answer.locator(".tool-call > pre")).to_have_text('{\n  "city": "Paris"\n}')
    answer.get_by_label("What the tool says").fill("18 degrees")
    answer.get_by_role("button", name="Send the results").click()
    finished(page)
    expect(page.locator(".turn.assistant").last.locator(".markdown")).to_contain_text("18 degrees")
    assert sent[0]["tools"] == [TOOL]
    asked, called, result = sent[1]["messages"]
    assert asked == {"role": "user", "content": CALL}
    assert called["tool_calls"][0]["function"] == {
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
    }
    call_id = called["tool_calls"][0]["id"]
    assert result == {"role": "tool", "tool_call_id": call_id, "content": "18 degrees"}


def test_results_wait_while_another_answer_is_made(page: Page) -> None:
    open_chat(page, "ft-parrot")
    fill_in_tools(page, json.dumps([TOOL]))
    ask(page, CALL)
    page.get_by_label("What the tool says").fill("18 degrees")
    send = page.get_by_role("button", name="Send the results")
    page.route(PATH, lambda route: None)
    begin(page, "hi")
    expect(page.locator("#chat-stop")).to_be_visible()
    expect(send).to_be_disabled()
    page.locator("#chat-stop").click()
    finished(page)
    expect(send).to_be_enabled()
    expect(page.get_by_label("What the tool says")).to_have_value("18 degrees")


def test_the_example_of_a_tool_is_taken(page: Page) -> None:
    open_chat(page, "ft-parrot")
    page.get_by_text("Tools", exact=True).click()
    page.get_by_role("button", name="Fill in an example").click()
    expect(ask(page, CALL).locator(".tool-name")).to_have_text("get_weather")
