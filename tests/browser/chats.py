"""The chat of the playground, as a reader uses it, and streams that no model would write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from playwright.sync_api import Locator, Page, Request, Route, expect

from tests.browser.routes import Instead

PATH = "**/v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def model_choice(page: Page) -> Locator:
    """The choice of the model of the view that is open."""
    return page.get_by_role("tabpanel").get_by_role("combobox", name="Model")


def open_chat(page: Page, model: str = "demo-chat", temperature: str = "0") -> None:
    """The chat, with a model chosen and what it can do known."""
    with page.expect_response(f"**/v1/models/{model}"):
        page.goto("./#chat")
        model_choice(page).select_option(model)
    page.get_by_label("Temperature").fill(temperature)


def fill_in_tools(page: Page, text: str) -> None:
    """Open the field of the tools and write into it."""
    page.get_by_text("Tools", exact=True).click()
    page.get_by_label("Functions, as JSON").fill(text)


def begin(page: Page, text: str) -> None:
    """Send a message, without waiting for what comes."""
    page.locator("#chat-input").fill(text)
    page.locator("#chat-send").click()


def ask(page: Page, text: str) -> Locator:
    """Send a message; gives the answer when it is complete."""
    begin(page, text)
    answer = page.locator(".turn.assistant").last
    finished(page)
    return answer


def finished(page: Page) -> None:
    """Wait for the end of what is under way."""
    expect(page.locator(".turn.assistant[aria-busy]")).to_have_count(0)
    expect(page.locator("#chat-send")).to_be_visible()


def figure(answer: Locator, name: str) -> Locator:
    """One of the figures of an answer."""
    return answer.locator(f".figure-{name} dd")


def bodies_sent(page: Page) -> list[dict[str, Any]]:
    """The bodies of the chats that are asked from now on."""
    found: list[dict[str, Any]] = []

    def see(request: Request) -> None:
        if request.url.endswith("/v1/chat/completions"):
            found.append(request.post_data_json)

    page.on("request", see)
    return found


def delta(**fields: Any) -> str:
    """An event of a chat."""
    choice = {"index": 0, "delta": fields, "logprobs": None, "finish_reason": None}
    return f"data: {json.dumps({'choices': [choice], 'usage': None})}\n\n"


def answer_with(page: Page, frames: Iterable[str]) -> Instead:
    """Let the next chats be answered by these frames."""
    body = "".join(frames)

    def fulfill(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    return Instead(page, PATH, fulfill)
