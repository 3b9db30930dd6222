"""The completions: sending, stopping, echo, tokens, going on, and failures."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Request, expect

from tests.browser.chats import figure, model_choice
from tests.live.http import Server

PROMPT = "Once upon a time"


def open_completions(page: Page, model: str = "demo-chat") -> Locator:
    """The view, with what the model can do known; gives where answers are shown."""
    with page.expect_response(f"**/v1/models/{model}"):
        page.goto("./#completions")
        model_choice(page).select_option(model)
    page.get_by_label("Temperature").fill("0")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    return page.get_by_role("region", name="What the model wrote")


def complete(page: Page) -> None:
    page.get_by_role("button", name="Complete").click()
    expect(page.locator(".result[aria-busy]")).to_have_count(0)
    expect(page.get_by_role("button", name="Complete")).to_be_visible()


def whole(server: Server, **fields: Any) -> Any:
    body = {"model": "demo-chat", "prompt": PROMPT, "temperature": 0, **fields}
    return server.post("/v1/completions", body).json()


def test_an_answer_is_shown_with_its_figures(page: Page, site_server: Server) -> None:
    expected = whole(site_server)
    answer = open_completions(page)
    complete(page)
    text = answer.locator(".completion-text")
    assert text.text_content() == expected["choices"][0]["text"]
    for name in ("prompt_tokens", "completion_tokens"):
        expect(figure(answer, name)).to_have_text(str(expected["usage"][name]))
    expect(figure(answer, "finish")).to_have_text("length")
    expect(figure(answer, "first_token")).to_be_visible()


def test_the_answer_is_added_to_the_prompt(page: Page, site_server: Server) -> None:
    expected = PROMPT + whole(site_server)["choices"][0]["text"]
    answer = open_completions(page)
    complete(page)
    answer.get_by_role("button", name="Add to the prompt").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(expected)


def test_echo_and_tokens(page: Page, site_server: Server) -> None:
    expected = whole(site_server, echo=True, logprobs=0)["choices"][0]["logprobs"]
    answer = open_completions(page)
    page.get_by_label("Repeat the prompt").check()
    page.get_by_label("Colour tokens").check()
    complete(page)
    tokens = answer.locator(".tokens .token")
    assert tokens.all_text_contents() == expected["tokens"]
    names = tokens.evaluate_all("all => all.map((one) => one.className)")
    for each, logprob in zip(names, expected["token_logprobs"], strict=True):
        assert ("likely-" in each) is (logprob is not None)
    answer.get_by_role("button", name="Add to the prompt").click()
    prompt = page.get_by_label("Prompt", exact=True)
    expect(prompt).to_have_value("".join(expected["tokens"]))


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_it_is_stopped(page: Page, how: str) -> None:
    answer = open_completions(page, "ft-slow")
    page.get_by_label("Max tokens").fill("400")
    page.get_by_label("Prompt", exact=True).press("Control+Enter")
    expect(answer.locator(".completion-text")).to_contain_text(",")
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    expect(figure(answer, "finish")).to_have_text("stopped")
    expect(page.get_by_role("button", name="Complete")).to_be_visible()


def test_parameters_are_sent(page: Page) -> None:
    sent: list[Any] = []

    def see(request: Request) -> None:
        if request.url.endswith("/v1/completions"):
            sent.append(request.post_data_json)

    open_completions(page)
    page.on("request", see)
    page.get_by_label("Max tokens").fill("3")
    page.get_by_label("Seed").fill("4")
    complete(page)
    options = {"include_usage": True, "continuous_usage_stats": True}
    assert sent == [
        {
            "model": "demo-chat",
            "prompt": PROMPT,
            "temperature": 0,
            "max_tokens": 3,
            "seed": 4,
            "stream": True,
            "stream_options": options,
        }
    ]


def test_a_failure_is_shown_and_can_be_put_right(page: Page) -> None:
    open_completions(page)
    page.get_by_label("Top p").fill("7")
    page.get_by_role("button", name="Complete").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("top_p: must be a number")
    expect(page.get_by_label("Top p")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Top p").fill("0.5")
    page.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)
    expect(page.locator(".completion-text")).to_contain_text(",")
