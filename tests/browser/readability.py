"""What a page must have so that everyone can read and use it, measured in the browser."""

from __future__ import annotations

from typing import Any, Literal

from playwright.sync_api import Page

COLOURS: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# WCAG 2.2, 1.4.3: https://www.w3.org/TR/WCAG22/#contrast-minimum
CONTRAST = 4.5

# Every visible piece of text with its contrast against what is behind it.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) =>
    [r, g, b].map((value, at) => value * a + below[at] * (1 - a)).concat(1);
  const linear = (value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, behind(element.parentElement));
  };
  const found = [];
  const add = (element, color, text) => {
    const below = behind(element);
    const shades = [light(over(rgba(color), below)), light(below)].sort((a, b) => b - a);
    found.push([text.trim().slice(0, 40), (shades[0] + 0.05) / (shades[1] + 0.05)]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!node.checkVisibility({ opacityProperty: true }) || node.closest(":disabled")) continue;
    const own = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE);
    const text = own.map((child) => child.data).join("");
    const style = getComputedStyle(node);
    if (text.trim()) add(node, node.tagName === "text" ? style.fill : style.color, text);
    if (!node.placeholder || node.value) continue;
    add(node, getComputedStyle(node, "::placeholder").color, node.placeholder);
  }
  return found;
}"""
# Controls without a name for screen readers.
NAMELESS = """() => {
  const labelled = (node) => node.labels?.length || node.getAttribute("aria-labelledby");
  const words = (node) => !node.matches("input, select, textarea") && node.innerText?.trim();
  return [...document.querySelectorAll("button, input, select, textarea, a, summary")]
    .filter((node) => node.checkVisibility())
    .filter((node) => !node.getAttribute("aria-label") && !labelled(node) && !words(node))
    .map((node) => node.outerHTML.slice(0, 120));
}"""


def weak_texts(page: Page) -> list[Any]:
    """The texts that are hard to read, with their contrast."""
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) >= 10
    return [entry for entry in contrasts if entry[1] < CONTRAST]


def nameless_controls(page: Page) -> list[str]:
    """The beginnings of their tags."""
    return list(page.evaluate(NAMELESS))


def overflow(page: Page) -> int:
    """How many CSS pixels the page is wider than the window."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )
