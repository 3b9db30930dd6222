"""The pictures of the documentation: what is on each of them, and how the page gets there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, expect

QUESTION = "How do I start the server?"
STORY = "Tell me a short story."
PHONE = {"viewport": {"width": 360, "height": 720}, "device_scale_factor": 2}


@dataclass(frozen=True)
class Scene:
    """A picture: `prepare` opens the page and returns when there is something to be seen.

    `options` are those of playwright's new_context.
    """

    prepare: Callable[[Page], None]
    options: Mapping[str, Any] = field(default_factory=dict)
    height: int = 800


def _say(page: Page, text: str) -> None:
    """Send a message and wait for the whole answer."""
    page.locator("#chat-input").fill(text)
    # As soon as the models are known.
    page.locator("#chat-send").click()
    expect(page.locator("#chat-stop")).to_be_hidden()
    expect(page.locator("#chat-send")).to_be_visible()
    expect(page.locator("#chat-input")).to_have_value("")
    expect(page.get_by_role("alert")).to_have_count(0)


def _set_temperature_0(page: Page) -> None:
    # The same answers in each picture.
    page.get_by_label("Temperature", exact=True).fill("0")


def chat(page: Page) -> None:
    page.goto("./#chat")
    _set_temperature_0(page)
    _say(page, QUESTION)
    _say(page, STORY)


def chat_with_probabilities(page: Page) -> None:
    page.goto("./#chat")
    _set_temperature_0(page)
    page.get_by_label("Colour tokens by probability").check()
    _say(page, QUESTION)
    _say(page, STORY)


def chat_in_chinese(page: Page) -> None:
    page.goto("./#chat")
    _say(page, "你好")
    _say(page, "这个服务器是做什么的？")


def embeddings(page: Page) -> None:
    page.goto("./#embeddings")
    page.get_by_role("button", name="Embed").click()
    expect(page.locator(".point")).to_have_count(6)


def rerank(page: Page) -> None:
    page.goto("./#rerank")
    page.get_by_role("button", name="Rank", exact=True).click()
    expect(page.locator(".ranking tbody tr")).to_have_count(5)


def status(page: Page) -> None:
    """While answers are being made, which the page itself asks for."""
    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("Ready")
    page.evaluate(LOAD)
    figures = page.locator(".figures dd")
    expect(figures.first).not_to_have_text("0")
    expect(figures.nth(2)).not_to_have_text("0")
    expect(page.locator(".spark-line")).to_have_attribute("points", SEVERAL_POINTS)


SEVERAL_POINTS = re.compile(r"(\S+ ){6}")
# A browser asks a server for six things at a time: five answers and the figures of this view.
LOAD = """() => {
    const request = {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ model: "demo-chat", prompt: "Once upon a time", max_tokens: 120 }),
    };
    const ask = async () => {
        for (let turn = 0; turn < 40; turn += 1)
            await fetch("./v1/completions", request).then((answer) => answer.text());
    };
    for (let index = 0; index < 5; index += 1) ask().catch(() => null);
}"""

SCENES: Mapping[str, Scene] = {
    "chat-light": Scene(chat),
    "chat-dark": Scene(chat_with_probabilities, {"color_scheme": "dark"}),
    "chat-zh-phone": Scene(chat_in_chinese, {"locale": "zh-CN", **PHONE}, height=720),
    "embeddings": Scene(embeddings, height=1070),
    "rerank": Scene(rerank, height=660),
    "status": Scene(status, height=900),
}
