"""A browser, the server whose playground it opens, and a new context for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from demo.triton import TritonServer
from tests.browser.chromium import Watch, launched
from tests.browser.site import DEMO_MODELS, KEY, site_configuration
from tests.live.http import Server
from tests.live.servers import running, write_configuration

# Machines that run tests are busy.
PATIENCE_MS = 60_000
DEFAULTS = {
    "locale": "en-US",
    "color_scheme": "light",
    "viewport": {"width": 1280, "height": 900},
    "permissions": ["clipboard-read", "clipboard-write"],
}


# Of the package: as long as it runs, this thread has an event loop, which other tests start anew.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    expect.set_options(timeout=PATIENCE_MS)
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def site_server(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The server with the demo's models and those that tests of pages need, without keys."""
    folder = tmp_path_factory.mktemp("site")
    path = write_configuration(folder / "models.json", site_configuration(tritonserver))
    with running("gunicorn", path, folder / "log") as server:
        yield server


@pytest.fixture(scope="package")
def keyed_server(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the demo's models that wants the key KEY."""
    folder = tmp_path_factory.mktemp("keyed")
    path = write_configuration(
        folder / "models.json", site_configuration(tritonserver, DEMO_MODELS)
    )
    with running("gunicorn", path, folder / "log", API_KEYS=KEY) as server:
        yield server


@pytest.fixture(scope="package")
def site(site_server: Server) -> str:
    """Its base URL, without a slash at the end."""
    return site_server.url


@contextmanager
def watched_pages(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Makes a blank page in a context of its own; keywords are those of playwright's new_context.

    Afterwards no page may have written an error or a warning, broken the Content-Security-Policy
    or asked another host than `base_url`, by default the site.
    """
    opened: list[tuple[Any, Watch]] = []

    def make(**options: Any) -> Page:
        context = browser.new_context(**{"base_url": f"{site}/", **DEFAULTS, **options})
        context.set_default_timeout(PATIENCE_MS)
        opened.append((context, Watch(context, options.get("base_url", site))))
        return context.new_page()

    yield make
    for context, _ in opened:
        with suppress(Error):
            context.close()
    assert [problem for _, watch in opened for problem in watch.problems] == []


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """See `watched_pages`."""
    with watched_pages(browser, site) as make:
        yield make


@pytest.fixture(scope="package")
def modules(browser: Browser, site: str) -> Iterator[Page]:
    """An open page that tests use only to import its modules: they leave it as it is."""
    with watched_pages(browser, site) as make:
        page = make()
        page.goto("./")
        yield page


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A blank page, in English, light, 1280 pixels wide: `page.goto("./#chat")` opens the site."""
    return open_page()
