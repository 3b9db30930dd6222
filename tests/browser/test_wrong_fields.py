"""A field that cannot be sent: it is shown, and nothing of the conversation is lost."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, Page, expect

from tests.browser.chats import (
    CALL,
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


def fill_in_wrong_tools(page: Page) -> Locator:
    """Tools that are no JSON: nothing is sent until they are put right."""
    fill_in_tools(page, "[{")
    return page.get_by_label("Functions, as JSON")


def test_an_answer_stays_while_a_field_is_wrong(page: Page) -> None:
    open_chat(page, "ft-parrot")
    sent = bodies_sent(page)
    ask(page, "One")
    ask(page, "Two")
    field = fill_in_wrong_tools(page)
    page.get_by_role("button", name="Regenerate").first.click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".turn.assistant .markdown")).to_have_text(["One", "Two"])
    field.fill("")
    page.get_by_role("button", name="Regenerate").first.click()
    finished(page)
    expect(page.locator(".turn.assistant .markdown")).to_have_text(["One"])
    assert len(sent) == 3


def test_a_failure_stays_while_a_field_is_wrong(page: Page) -> None:
    open_chat(page, "ft-parrot")
    answer_with(page, [delta(content="Half")])
    begin(page, "hi")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    fill_in_wrong_tools(page)
    retry.click()
    expect(page.get_by_label("Functions, as JSON")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".turn.assistant .markdown")).to_have_text("Half")


def test_a_changed_message_waits_while_a_field_is_wrong(page: Page) -> None:
    open_chat(page, "ft-parrot")
    ask(page, "One")
    page.locator(".turn.user").hover()
    page.get_by_role("button", name="Edit").click()
    page.locator(".turn.user textarea").fill("Two")
    field = fill_in_wrong_tools(page)
    page.get_by_role("button", name="Send again").click()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".turn.assistant .markdown")).to_have_text("One")
    field.fill("")
    page.get_by_role("button", name="Send again").click()
    expect(page.locator(".turn.assistant .markdown")).to_have_text("Two")
    finished(page)


def test_results_are_not_lost_to_a_wrong_field(page: Page) -> None:
    open_chat(page, "ft-parrot")
    fill_in_tools(page, json.dumps([TOOL]))
    ask(page, CALL)
    page.get_by_label("What the tool says").fill("18 degrees")
    page.get_by_label("Functions, as JSON").fill("[{")
    page.get_by_role("button", name="Send the results").click()
    expect(page.get_by_label("Functions, as JSON")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Functions, as JSON").fill(json.dumps([TOOL]))
    page.get_by_role("button", name="Send the results").click()
    finished(page)
    expect(page.locator(".turn.assistant").last.locator(".markdown")).to_contain_text("18 degrees")


def test_tools_that_are_no_json_are_not_sent(page: Page) -> None:
    open_chat(page, "ft-parrot")
    fill_in_tools(page, "[{")
    sent = bodies_sent(page)
    page.locator("#chat-input").fill("hi")
    page.locator("#chat-send").click()
    field = page.get_by_label("Functions, as JSON")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(page.get_by_text("This is not valid JSON.")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(0)
    assert sent == []
