"""What everybody must be able to do with each view: read it, name what is on it, and reach it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.readability import weak_texts
from tests.browser.scenes import SCENES

# Roles whose elements say nothing without a name.
UNNAMED = re.compile(
    r"^\s*- (button|checkbox|combobox|dialog|img|link|menuitem|region|searchbox|slider|spinbutton"
    r"|tab|tabpanel|table|textbox)(:|$| \[)",
    re.MULTILINE,
)
# What the views show when they have something to show; tests/browser/test_page.py has chats.
VIEWS = ("embeddings", "rerank", "status")


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("name", VIEWS)
def test_texts_stand_out_and_controls_have_names(
    open_page: Callable[..., Page], name: str, colours: str
) -> None:
    scene = SCENES[name]
    page = open_page(**{**scene.options, "color_scheme": colours})
    scene.prepare(page)
    # Drawings have no CSS background: the numbers in the points of the map have their colours from
    # the buttons.
    page.evaluate("document.querySelectorAll('svg').forEach((drawing) => drawing.remove())")
    assert weak_texts(page) == []
    tree = page.locator("body").aria_snapshot()
    assert UNNAMED.findall(tree) == [], tree


@pytest.mark.parametrize("view", ["chat", "completions", "embeddings", "rerank", "status"])
def test_every_control_is_reached_by_keyboard(page: Page, view: str) -> None:
    page.goto(f"./#{view}")
    panel = page.locator(f"#panel-{view}")
    controls = panel.locator("button:visible, input:visible, select:visible, textarea:visible")
    controls.first.wait_for()
    wanted = controls.evaluate_all(
        "all => all.filter((one) => !one.disabled && one.tabIndex >= 0).length"
    )
    page.evaluate("document.activeElement.blur()")
    reached: set[str] = set()
    script = """([panel]) => {
        const active = document.activeElement;
        const isControl = active.matches("button, input, select, textarea");
        if (!panel.contains(active) || !isControl) return "";
        active.dataset.reached ??= String(Math.random());
        return active.dataset.reached;
    }"""
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(script, [panel.element_handle()]))
    assert len(reached - {""}) == wanted
