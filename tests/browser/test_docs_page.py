"""`/docs`, in a real browser: what it lists, and that an operation can be tried.

After each test the page may not have written an error, broken its Content-Security-Policy or asked
another host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.schemas.openapi.operations import OPERATIONS
from tests.browser.conftest import watched_pages
from tests.browser.prefixes import below
from tests.browser.site import KEY
from tests.live.http import Server

# The method and the path of an operation.
SUMMARY = """(selector) => {
    const [block, ...others] = document.querySelectorAll(selector);
    if (others.length) return others.length;
    return [
        block.querySelector(".opblock-summary-method").textContent,
        block.querySelector(".opblock-summary-path").dataset.path,
    ];
}"""


@pytest.fixture(scope="module")
def docs(browser: Browser, site: str) -> Iterator[Page]:
    """The page, light and open; each test takes an operation of its own."""
    with watched_pages(browser, site) as make:
        page = make()
        page.goto("./docs")
        yield page


def opened(page: Page, operation_id: str) -> Locator:
    """The operation, unfolded and ready to be sent."""
    block = page.locator(f"[id$='-{operation_id}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def sent(block: Locator) -> Locator:
    """What came back for it."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response")


def test_it_lists_every_operation(docs: Page) -> None:
    expect(docs.get_by_role("heading", name="openai_api")).to_be_visible()
    expect(docs.locator(".opblock")).to_have_count(len(OPERATIONS))
    listed = [docs.evaluate(SUMMARY, f"[id$='-{operation.id}']") for operation in OPERATIONS]
    assert listed == [[operation.method.upper(), operation.path] for operation in OPERATIONS]


def test_the_models_can_be_tried(docs: Page) -> None:
    found = sent(opened(docs, "get_models"))
    expect(found.locator(".response-col_status")).to_contain_text("200")
    expect(found.locator(".response-col_description")).to_contain_text("all-minilm-l6-v2")


def test_an_example_of_the_document_is_what_is_sent(docs: Page, site: str) -> None:
    block = opened(docs, "create_chat_completion")
    expect(block.locator("textarea.body-param__text")).to_have_value(re.compile("What is 7 "))
    found = sent(block)
    expect(found.locator(".response-col_status")).to_contain_text("200")
    expect(found.locator(".response-col_description")).to_contain_text("chat.completion")
    expect(block.locator(".curl-command")).to_contain_text(f"{site}/v1/chat/completions")


def test_a_refusal_is_shown(docs: Page) -> None:
    block = opened(docs, "create_score")
    block.locator("textarea.body-param__text").fill('{"model": "nobody"}')
    found = sent(block)
    expect(found.locator(".response-col_status")).to_contain_text("404")
    expect(found.locator(".response-col_description")).to_contain_text("model_not_found")


def test_it_is_dark_where_the_system_is(docs: Page, open_page: Callable[..., Page]) -> None:
    dark = open_page(color_scheme="dark")
    dark.goto("./docs")
    for page, is_dark in ((dark, True), (docs, False)):
        assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is is_dark


def test_it_works_below_a_path_of_a_proxy(open_page: Callable[..., Page], site: str) -> None:
    with below("models", site) as proxy:
        page = open_page(base_url=f"{proxy}/models/")
        page.goto("./docs")
        block = opened(page, "get_models")
        found = sent(block)
        expect(found.locator(".response-col_status")).to_contain_text("200")
        expect(block.locator(".request-url")).to_contain_text(f"{proxy}/models/v1/models")
        page.close()


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").click()
    form = page.locator(".modal-ux")
    form.locator("input").first.fill(key)
    form.get_by_role("button", name="Apply credentials").first.click()
    form.get_by_role("button", name="Close").last.click()


def test_a_key_is_sent_once_it_is_given_and_not_kept(
    open_page: Callable[..., Page], keyed_server: Server
) -> None:
    page = open_page(base_url=f"{keyed_server.url}/")
    page.goto("./docs")
    block = opened(page, "get_models")
    expect(sent(block).locator(".response-col_status")).to_contain_text("401")
    authorize(page, KEY)
    expect(sent(block).locator(".response-col_status")).to_contain_text("200")
    for place in ("{...localStorage}", "{...sessionStorage}", "document.cookie"):
        assert KEY not in page.evaluate(f"JSON.stringify({place})")
