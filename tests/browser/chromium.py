"""Debian's Chromium, driven over its own protocol, and what a page did that it must not do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Request,
    sync_playwright,
)

from tests.packages.programs import environment, installed, program

FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    # Containers have little shared memory.
    "--disable-dev-shm-usage",
)
# What the browser itself says of an answer such as 503, or of none: a page cannot prevent it.
REMARK = "Failed to load resource: "
LOCAL_SCHEMES = ("data", "blob")
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>/usr/share/fonts</dir>
  <dir>{folder}/usr/share/fonts</dir>
  <cachedir>{folder}/cache</cachedir>
</fontconfig>
"""


def executable() -> str:
    """The program: on PATH, or fetched by `make .venv/browser/ready`."""
    # Debian's /usr/bin/chromium is a script that starts the program under /usr only.
    fetched = installed("browser") / "usr/lib/chromium/chromium"
    return str(fetched) if fetched.exists() else program("chromium", "browser")


def variables() -> dict[str, str]:
    """The process environment of the browser: libraries and fonts that were fetched with it."""
    folder = installed("browser")
    if not (folder / "usr").exists():
        return dict(os.environ)
    fonts = folder / "fonts.conf"
    # Other browsers may be reading it.
    fresh = folder / f"fonts.{os.getpid()}.conf"
    fresh.write_text(FONTS.format(folder=folder))
    fresh.replace(fonts)
    return {**environment("browser"), "FONTCONFIG_FILE": str(fonts)}


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window. Needs no event loop in this thread, and has one meanwhile."""
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else [*FLAGS]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable(), args=flags, env=variables()
        )
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """Collects what pages of a context did that no page of `site` may do."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.problems: list[str] = []
        self._site = urlsplit(site)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self._add("not caught", str(error.error)))
        context.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        where = urlsplit(message.location.get("url", ""))
        is_remark = message.text.startswith(REMARK) and "/playground/" not in where.path
        if message.type in ("error", "warning") and not is_remark:
            self._add(f"console {message.type}", f"{message.text} ({where.geturl()})")

    def _see(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in LOCAL_SCHEMES and url.netloc != self._site.netloc:
            self._add("request to another host", request.url)

    def _add(self, kind: str, text: str) -> None:
        self.problems.append(f"{kind}: {text}")
