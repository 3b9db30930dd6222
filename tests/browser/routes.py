"""Requests that a test answers in the server's place, for a while."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route

# Ten times as fast: what a page does every two seconds it does five times a second.
HURRY = """{
    const later = window.setTimeout;
    window.setTimeout = (work, after, ...rest) => later(work, after / 10, ...rest);
}"""
# What a page shows for a second or two stays for minutes.
LINGER = """{
    const later = window.setTimeout;
    window.setTimeout = (work, after, ...rest) =>
        later(work, after < 1000 ? after : after * 200, ...rest);
}"""


class Instead:
    """Has `answer` answer what fits `pattern`, until `end()`; then the server does.

    The route itself stays: when Chromium stops handing requests over (`page.unroute`), some of
    those under way are never answered.
    """

    def __init__(self, page: Page, pattern: str, answer: Callable[[Route], object]) -> None:
        self.answer = answer
        page.route(pattern, lambda route: self.answer(route))

    def end(self) -> None:
        """Let the server answer from now on."""
        self.answer = lambda route: route.continue_()
