"""`/docs`, in a real browser: what it lists, and that an operation can be tried.

After each test the page may not have written an error, broken its Content-Security-Policy or asked
another host.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app.schemas.openapi.operations import OPERATIONS
from demo.triton import TritonServer
from tests.browser.prefixes import below
from tests.browser.site import DEMO_MODELS, site_configuration
from tests.live.http import Server
from tests.live.servers import running, write_configuration

KEY = "sk-0123456789abcdef"


def opened(page: Page, operation_id: str, url: str = "./docs") -> Locator:
    """The operation, unfolded and ready to be sent."""
    page.goto(url)
    block = page.locator(f"[id$='-{operation_id}']")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    return block


def sent(block: Locator) -> Locator:
    """What came back for it."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table .response")


def test_it_lists_every_operation(page: Page) -> None:
    page.goto("./docs")
    expect(page.get_by_role("heading", name="openai_api")).to_be_visible()
    expect(page.locator(".opblock")).to_have_count(len(OPERATIONS))
    for operation in OPERATIONS:
        block = page.locator(f"[id$='-{operation.id}']")
        expect(block.locator(".opblock-summary-method")).to_have_text(operation.method.upper())
        expect(block.locator(".opblock-summary-path")).to_have_attribute(
            "data-path", operation.path
        )


def test_the_models_can_be_tried(page: Page) -> None:
    found = sent(opened(page, "get_models"))
    expect(found.locator(".response-col_status")).to_contain_text("200")
    expect(found.locator(".response-col_description")).to_contain_text("all-minilm-l6-v2")


def test_an_example_of_the_document_is_what_is_sent(page: Page, site: str) -> None:
    block = opened(page, "create_chat_completion")
    expect(block.locator("textarea.body-param__text")).to_have_value(re.compile("What is 7 "))
    found = sent(block)
    expect(found.locator(".response-col_status")).to_contain_text("200")
    expect(found.locator(".response-col_description")).to_contain_text("chat.completion")
    expect(block.locator(".curl-command")).to_contain_text(f"{site}/v1/chat/completions")


def test_a_refusal_is_shown(page: Page) -> None:
    block = opened(page, "create_score")
    block.locator("textarea.body-param__text").fill('{"model": "nobody"}')
    found = sent(block)
    expect(found.locator(".response-col_status")).to_contain_text("404")
    expect(found.locator(".response-col_description")).to_contain_text("model_not_found")


def test_it_is_dark_where_the_system_is(open_page: Callable[..., Page]) -> None:
    for scheme, is_dark in (("dark", True), ("light", False)):
        page = open_page(color_scheme=scheme)
        page.goto("./docs")
        assert page.evaluate("document.documentElement.classList.contains('dark-mode')") is is_dark


def test_it_works_below_a_path_of_a_proxy(open_page: Callable[..., Page], site: str) -> None:
    with below("models", site) as proxy:
        page = open_page(base_url=f"{proxy}/models/")
        block = opened(page, "get_models")
        found = sent(block)
        expect(found.locator(".response-col_status")).to_contain_text("200")
        expect(block.locator(".request-url")).to_contain_text(f"{proxy}/models/v1/models")
        page.close()


@pytest.fixture(scope="module")
def locked_site(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that has a key."""
    folder: Path = tmp_path_factory.mktemp("locked")
    content = site_configuration(tritonserver, DEMO_MODELS)
    path = write_configuration(folder / "models.json", content)
    with running("gunicorn", path, folder / "log", API_KEYS=KEY) as server:
        yield server


def authorize(page: Page, key: str) -> None:
    page.get_by_role("button", name="Authorize").click()
    form = page.locator(".modal-ux")
    form.locator("input").first.fill(key)
    form.get_by_role("button", name="Apply credentials").first.click()
    form.get_by_role("button", name="Close").last.click()


def test_a_key_is_sent_once_it_is_given(
    open_page: Callable[..., Page], locked_site: Server
) -> None:
    page = open_page(base_url=f"{locked_site.url}/")
    block = opened(page, "get_models")
    expect(sent(block).locator(".response-col_status")).to_contain_text("401")
    authorize(page, KEY)
    expect(sent(block).locator(".response-col_status")).to_contain_text("200")


def test_no_key_is_kept(open_page: Callable[..., Page], locked_site: Server) -> None:
    page = open_page(base_url=f"{locked_site.url}/")
    page.goto("./docs")
    authorize(page, KEY)
    for place in ("{...localStorage}", "{...sessionStorage}", "document.cookie"):
        assert KEY not in page.evaluate(f"JSON.stringify({place})")
