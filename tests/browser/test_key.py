"""The API key: how the page asks for it, where it keeps it, and to whom it is sent."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.chats import ask, model_choice
from tests.browser.site import KEY
from tests.live.http import Server


@pytest.fixture
def locked(open_page: Callable[..., Page], keyed_server: Server) -> Page:
    """A page of a server that wants a key."""
    return open_page(base_url=f"{keyed_server.url}/")


def enter_key(page: Page, key: str, *, keep: bool = False) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key", exact=True).fill(key)
    dialog.get_by_label("Keep it").set_checked(keep)
    dialog.get_by_role("button", name="Use this key").click()


def test_a_refusal_leads_to_the_key(locked: Page) -> None:
    locked.goto("./")
    dialog = locked.get_by_role("dialog", name="API key")
    expect(dialog).to_contain_text("This server needs an API key.")
    expect(dialog.get_by_label("Key", exact=True)).to_be_focused()
    expect(dialog.get_by_label("Key", exact=True)).to_have_attribute("type", "password")
    enter_key(locked, "sk-wrong")
    expect(dialog).to_contain_text("The server does not know this key.")
    enter_key(locked, "sk-键")
    expect(dialog).to_contain_text("ASCII")
    enter_key(locked, KEY)
    expect(dialog).to_be_hidden()
    expect(model_choice(locked)).to_have_value("demo-chat")
    expect(locked.get_by_role("alert")).to_have_count(0)
    locked.get_by_label("Temperature").fill("0")
    expect(ask(locked, "What is 7 + 5?").locator(".markdown")).to_have_text("7 + 5 = 12.")


def stored(page: Page, storage: str) -> bool:
    return KEY in page.evaluate(f"JSON.stringify({{...{storage}}})")


def test_the_key_is_kept_for_the_tab_unless_asked_for_more(locked: Page) -> None:
    locked.goto("./")
    enter_key(locked, KEY)
    expect(model_choice(locked)).to_have_value("demo-chat")
    assert stored(locked, "sessionStorage")
    assert not stored(locked, "localStorage")
    locked.reload()
    expect(model_choice(locked)).to_have_value("demo-chat")
    locked.get_by_role("button", name="API key").click()
    enter_key(locked, KEY, keep=True)
    assert stored(locked, "localStorage")
    locked.get_by_role("button", name="API key").click()
    locked.get_by_role("button", name="Remove").click()
    expect(locked.get_by_role("dialog")).to_contain_text("needs an API key")
    assert not stored(locked, "localStorage")
    assert not stored(locked, "sessionStorage")
    assert locked.evaluate("document.cookie") == ""


def test_the_key_is_in_no_address_and_goes_to_the_api_alone(locked: Page) -> None:
    seen: list[Request] = []
    locked.on("request", lambda request: seen.append(request))
    locked.goto("./")
    enter_key(locked, KEY)
    expect(model_choice(locked)).to_have_value("demo-chat")
    locked.reload()
    expect(model_choice(locked)).to_have_value("demo-chat")
    with locked.expect_response("**/metrics"):
        locked.get_by_role("tab", name="Status").click()
    with_key = [each.url for each in seen if "authorization" in each.all_headers()]
    places = {urlsplit(url).path.split("/")[1] for url in with_key}
    assert places == {"v1", "version", "readyz", "metrics"}
    assert {urlsplit(url).netloc for url in with_key} == {urlsplit(locked.url).netloc}
    assert not [each.url for each in seen if KEY in each.url]
