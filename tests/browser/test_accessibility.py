"""What everybody must be able to do with each view: read it, name what is on it, and reach it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.readability import COLOURS, weak_texts
from tests.browser.routes import HURRY
from tests.browser.scenes import SCENES

# Roles whose elements say nothing without a name.
UNNAMED = re.compile(
    r"^\s*- (button|checkbox|combobox|dialog|img|link|menuitem|region|searchbox|slider|spinbutton"
    r"|tab|tabpanel|table|textbox)(:|$| \[)",
    re.MULTILINE,
)
# Collects the controls that have the focus.
WATCH_FOCUS = """(panel) => {
    window.reached = new Set();
    panel.addEventListener("focusin", ({ target }) => {
        if (target.matches("button, input, select, textarea")) reached.add(target);
    });
}"""
# What the views show when they have something to show; tests/browser/test_page.py has chats.
VIEWS = ("embeddings", "rerank", "status")


@pytest.mark.parametrize("name", VIEWS)
def test_texts_stand_out_and_controls_have_names(open_page: Callable[..., Page], name: str) -> None:
    scene = SCENES[name]
    page = open_page(reduced_motion="reduce", **scene.options)
    page.add_init_script(HURRY)
    scene.prepare(page)
    # Drawings have no CSS background: the numbers in the points of the map have their colours from
    # the buttons.
    page.evaluate("document.querySelectorAll('svg').forEach((drawing) => drawing.remove())")
    for colours in COLOURS:
        page.emulate_media(color_scheme=colours)
        assert weak_texts(page) == [], colours
    tree = page.locator("body").aria_snapshot()
    assert UNNAMED.findall(tree) == [], tree


def wait_until_complete(panel: Locator, view: str) -> None:
    """As soon as the models are known, and what the chosen one can do, no control changes."""
    if view == "status":
        expect(panel.locator(".state")).to_have_text("Ready")
        return
    expect(panel.get_by_role("combobox", name="Model")).to_be_enabled()
    if view in ("chat", "completions"):
        expect(panel.get_by_label("Frequency penalty")).to_be_disabled()


@pytest.mark.parametrize("view", ["chat", "completions", "embeddings", "rerank", "status"])
def test_every_control_is_reached_by_keyboard(page: Page, view: str) -> None:
    page.goto(f"./#{view}")
    panel = page.locator(f"#panel-{view}")
    wait_until_complete(panel, view)
    controls = panel.locator("button:visible, input:visible, select:visible, textarea:visible")
    wanted = controls.evaluate_all(
        "all => all.filter((one) => !one.disabled && one.tabIndex >= 0).length"
    )
    page.evaluate("document.activeElement.blur()")
    panel.evaluate(WATCH_FOCUS)
    for _ in range(60):
        page.keyboard.press("Tab")
    assert page.evaluate("reached.size") == wanted
