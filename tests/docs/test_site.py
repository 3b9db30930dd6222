"""`make docs`: the site is built without a warning, and asks nobody else for anything."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.browser.chromium import launched
from tests.docs.pages import PROJECT

PYTHON = PROJECT / ".venv" / "docs" / "bin" / "python"
# What a browser loads by itself: an element, and the attribute that says from where.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
ELSEWHERE = re.compile(r"\s*(?:https?:)?//")
IN_CSS = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^)\"']*)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, built as `make docs` builds it."""
    assert PYTHON.exists(), f"{PYTHON} is made by: make test"
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [str(PYTHON), "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    return folder


class Loaded(HTMLParser):
    """The addresses of what a page loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") == "canonical":
            return
        self.addresses.append(given.get(LOADED.get(tag, "")) or "")


def pages(site: Path) -> Iterator[Path]:
    """All but the report of the benchmark, which is copied as it is."""
    return (path for path in site.rglob("*.html") if path.name != "report.html")


def test_the_site_has_every_page(site: Path) -> None:
    built = {path.relative_to(site).with_suffix("").as_posix() for path in pages(site)}
    written = {
        path.relative_to(PROJECT / "docs").with_suffix("").as_posix()
        for path in (PROJECT / "docs").rglob("*.md")
    }
    assert {name.replace("README", "index") for name in written} <= built


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = {address for page in pages(site) for address in Loaded(page).addresses}
    assert len(loaded) > 5
    assert [address for address in loaded if ELSEWHERE.match(address)] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert IN_CSS.findall(styles) == []
    # The theme would fetch the program that draws these.
    assert not any('class="mermaid"' in page.read_text() for page in pages(site))


def test_links_to_files_of_the_project_work(site: Path) -> None:
    """Those outside docs/ are in the site, too."""
    assert "proxy_buffering off" in (site / "files/deploy/nginx.conf.txt").read_text()
    assert "../files/deploy/nginx.conf.txt" in (site / "how-to/run-behind-nginx.html").read_text()
    assert (site / "project/CHANGELOG.html").exists()


def test_the_search_works_without_a_server(site: Path) -> None:
    """A browser may start no worker for a page that is a file."""
    with launched() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.locator(".md-search__input").click()
        page.get_by_text("Type to start searching").wait_for()
        page.locator(".md-search__input").press_sequentially("backend_model_missing")
        page.locator(".md-search-result__link[href*='errors.html']").first.click()
        page.wait_for_url("**/errors.html*")
        assert failures == []
