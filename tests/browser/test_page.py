"""The page around the views: tabs, languages, colours, the key, other hosts, small windows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from demo.triton import TritonServer
from tests.browser.chats import ask, finished, model_choice, open_chat
from tests.browser.prefixes import below
from tests.browser.readability import COLOURS, nameless_controls, overflow, weak_texts
from tests.browser.routes import Instead
from tests.browser.site import DEMO_MODELS, site_configuration
from tests.live.servers import HOSTS, running, write_configuration

TABS = {
    "chat": "Chat",
    "completions": "Completions",
    "embeddings": "Embeddings",
    "rerank": "Rerank",
    "status": "Status",
}
# The buttons that send.
SENDING = {"Chat": "Send", "Completions": "Complete", "Embeddings": "Embed", "Rerank": "Rank"}
# What says that a view is there.
CHINESE = {
    "chat": "温度",
    "completions": "温度",
    "embeddings": "生成向量",
    "rerank": "排序",
    "status": "就绪",
}
PHONE = {"width": 360, "height": 740}


def tab(page: Page, name: str) -> Locator:
    return page.get_by_role("tab", name=name, exact=True)


# ---- tabs


def test_the_address_says_which_view_is_open(page: Page) -> None:
    page.goto("./")
    for name, title in TABS.items():
        tab(page, title).click()
        expect(page).to_have_url(re.compile(f"#{name}$"))
        expect(page.get_by_role("tabpanel", name=title)).to_be_visible()
        expect(page.get_by_role("tabpanel")).to_have_count(1)
        expect(page.get_by_role("alert")).to_have_count(0)
    page.go_back()
    expect(tab(page, "Rerank")).to_have_attribute("aria-selected", "true")
    page.goto("./#embeddings")
    expect(tab(page, "Embeddings")).to_have_attribute("aria-selected", "true")
    page.goto("./#nothing")
    expect(tab(page, "Chat")).to_have_attribute("aria-selected", "true")


def test_tabs_are_reached_with_the_arrow_keys(page: Page) -> None:
    page.goto("./")
    tab(page, "Chat").focus()
    steps = [("ArrowRight", "Completions"), ("ArrowLeft", "Chat"), ("ArrowLeft", "Status")]
    for key, title in [*steps, ("ArrowRight", "Chat"), ("End", "Status"), ("Home", "Chat")]:
        page.keyboard.press(key)
        expect(tab(page, title)).to_be_focused()
        expect(tab(page, title)).to_have_attribute("aria-selected", "true")
    # One stop for all of them.
    assert page.locator('[role=tab][tabindex="0"]').count() == 1


def test_a_view_stays_as_it_is_while_another_is_open(page: Page) -> None:
    open_chat(page)
    ask(page, "What is 7 + 5?")
    tab(page, "Rerank").click()
    tab(page, "Chat").click()
    expect(page.locator(".turn.assistant .markdown")).to_have_text("7 + 5 = 12.")


def test_the_keyboard_skips_the_header(page: Page) -> None:
    page.goto("./")
    expect(tab(page, "Chat")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_nothing_is_sent_before_a_model_is_known(page: Page) -> None:
    held: list[Route] = []
    sent: list[str] = []
    page.route("**/v1/models", lambda route: held.append(route))
    page.on("request", lambda request: sent.append(request.url) if request.post_data else None)
    page.goto("./")
    panel = page.get_by_role("tabpanel")
    for title, name in SENDING.items():
        tab(page, title).click()
        send = panel.get_by_role("button", name=name, exact=True)
        expect(send).to_be_disabled()
        text = panel.get_by_role("textbox").and_(panel.locator("form textarea"))
        text.fill("hi")
        text.press("Control+Enter")
    held[0].continue_()
    expect(send).to_be_enabled()
    send.click()
    expect(panel.locator(".ranking")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert [url.rpartition("/")[2] for url in sent] == ["rerank"]
    tab(page, "Chat").click()
    expect(page.locator("#chat-input")).to_have_value("hi")
    expect(page.locator("#chat-send")).to_be_enabled()


# ---- languages and colours


def test_the_language_is_the_browsers(open_page: Callable[..., Page]) -> None:
    for locale, title, language in (("zh-CN", "对话", "zh-Hans"), ("fr-FR", "Chat", "en")):
        page = open_page(locale=locale)
        page.goto("./")
        expect(tab(page, title)).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == language


def test_the_language_is_changed_and_kept(page: Page) -> None:
    open_chat(page)
    ask(page, "What is 7 + 5?")
    page.get_by_label("Language").select_option("zh")
    expect(tab(page, "补全")).to_be_visible()
    expect(page.get_by_label("温度")).to_have_value("0")
    expect(page.get_by_role("button", name="重新生成")).to_be_visible()
    expect(page.get_by_placeholder("输入消息")).to_be_visible()
    expect(page.locator(".figure-prompt_tokens dt")).to_have_text("提示词元")
    expect(page.locator(".turn.assistant .markdown")).to_have_text("7 + 5 = 12.")
    expect(page).to_have_title("openai_api 试用页")
    page.reload()
    expect(tab(page, "补全")).to_be_visible()
    page.get_by_label("语言").select_option("en")
    expect(tab(page, "Completions")).to_be_visible()


def test_no_english_is_left_in_chinese(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="zh-CN")
    page.goto("./")
    for name, text in CHINESE.items():
        page.goto(f"./#{name}")
        expect(page.get_by_role("tabpanel")).to_contain_text(text)
        words = re.findall(r"[A-Za-z]{3,}(?: [a-z]+)+", page.locator("body").inner_text())
        assert set(words) <= {"Top p", "Once upon a time"}


def background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


def test_colours_follow_the_system_unless_chosen(page: Page) -> None:
    page.goto("./")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert light != dark
    button = page.locator("#theme-button")
    expect(button).to_have_accessible_name("Colours: as the system")
    button.click()
    expect(button).to_have_accessible_name("Colours: light")
    assert background(page) == light
    button.click()
    page.emulate_media(color_scheme="light")
    assert background(page) == dark
    page.reload()
    assert background(page) == dark
    button.click()
    assert background(page) == light


def assert_readable(page: Page) -> None:
    for scheme in COLOURS:
        page.emulate_media(color_scheme=scheme)
        assert weak_texts(page) == [], scheme
    assert nameless_controls(page) == []


def test_all_texts_can_be_read(open_page: Callable[..., Page]) -> None:
    page = open_page(reduced_motion="reduce")
    open_chat(page)
    page.get_by_label("Colour tokens").check()
    ask(page, "Tell me a short story.")
    page.get_by_label("Temperature").fill("9")
    page.locator("#chat-input").fill("hi")
    page.locator("#chat-send").click()
    expect(page.get_by_role("alert")).to_be_visible()
    finished(page)
    assert_readable(page)
    for name in list(TABS)[1:]:
        page.goto(f"./#{name}")
        expect(page.get_by_role("tabpanel").get_by_role("button").first).to_be_visible()
        assert_readable(page)
    page.evaluate("document.documentElement.style.setProperty('--muted', 'gray')")
    assert weak_texts(page)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_phone_is_wide_enough(open_page: Callable[..., Page], locale: str) -> None:
    page = open_page(viewport=PHONE, locale=locale, has_touch=True, is_mobile=True)
    page.goto("./")
    ask(page, "x" * 200)
    expect(page.get_by_role("alert")).to_have_count(0)
    for name in TABS:
        page.goto(f"./#{name}")
        expect(page.get_by_role("tabpanel").get_by_role("button").first).to_be_visible()
        assert overflow(page) == 0, name


def test_the_settings_of_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page(viewport=PHONE)
    page.goto("./")
    button = page.get_by_role("button", name="Settings")
    expect(page.get_by_label("Temperature")).to_be_hidden()
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    page.get_by_label("Temperature").fill("0")
    button.click()
    expect(page.get_by_label("Temperature")).to_be_hidden()
    assert overflow(page) == 0
    expect(ask(page, "What is 7 + 5?").locator(".markdown")).to_have_text("7 + 5 = 12.")


# ---- where it runs


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "gunicorn"])
def test_other_hosts_serve_it(
    open_page: Callable[..., Page], tritonserver: TritonServer, tmp_path: Path, host: str
) -> None:
    content = site_configuration(tritonserver, DEMO_MODELS)
    path = write_configuration(tmp_path / "models.json", content)
    with running(host, path, tmp_path / "log") as server:
        page = open_page(base_url=f"{server.url}/")
        open_chat(page)
        expect(ask(page, "What is 7 + 5?").locator(".markdown")).to_have_text("7 + 5 = 12.")
        page.context.close()


def test_it_works_below_a_path_of_a_proxy(open_page: Callable[..., Page], site: str) -> None:
    with below("models", site) as proxy:
        page = open_page(base_url=f"{proxy}/models/")
        open_chat(page)
        expect(ask(page, "What is 7 + 5?").locator(".markdown")).to_have_text("7 + 5 = 12.")
        page.close()


def test_a_view_that_did_not_load_can_be_tried_again(browser: Browser, site: str) -> None:
    # What Chromium writes about the missing file is no fault here.
    page = browser.new_page(base_url=f"{site}/", locale="en-US")
    missing = Instead(page, "**/views/rerank.js", lambda route: route.abort())
    page.goto("./#rerank")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("alert")).to_contain_text("A part of this page could not be loaded.")
    missing.end()
    panel.get_by_role("button", name="Try again").click()
    expect(panel.get_by_role("button", name="Rank")).to_be_visible()
    expect(panel.get_by_role("alert")).to_have_count(0)
    page.close()


def test_a_server_that_is_gone_is_told(open_page: Callable[..., Page]) -> None:
    page = open_page()
    gone = Instead(page, "**/v1/models", lambda route: route.abort())
    page.goto("./")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached.")
    gone.end()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(model_choice(page)).to_have_value("demo-chat")
