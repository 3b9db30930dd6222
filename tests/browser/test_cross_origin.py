"""A page of another origin calls the server: only where it is allowed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import Page

from demo.triton import TritonServer
from tests.browser.site import DEMO_MODELS, KEY, site_configuration
from tests.live.http import Server
from tests.live.servers import running, write_configuration

# What OpenAI's library for browsers sends: a key, and headers of its own.
ASK = """
async ([url, key]) => {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      "Authorization": `Bearer ${key}`,
      "Content-Type": "application/json",
      "X-Stainless-Lang": "js",
    },
    body: JSON.stringify({
      model: "demo-chat", stream: true, temperature: 0,
      messages: [{ role: "user", content: "What is 7 + 5?" }],
    }),
  });
  return [response.status, response.headers.get("x-request-id"), await response.text()];
}
"""


class Blank(BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def other() -> Iterator[str]:
    """The origin of an empty page."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Blank) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()


@pytest.fixture(scope="module")
def allowing(
    tritonserver: TritonServer, other: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server that allows that origin, with a key."""
    folder = tmp_path_factory.mktemp("allowing")
    content = site_configuration(tritonserver, DEMO_MODELS)
    path = write_configuration(folder / "models.json", content)
    more = {"API_KEYS": KEY, "CORS_ORIGINS": f"https://chat.example,{other}"}
    with running("gunicorn", path, folder / "log", **more) as server:
        yield server


@pytest.fixture
def elsewhere(other: str, open_page: Callable[..., Page]) -> Page:
    """A page of that origin; what Chromium writes about refused calls is no fault here."""
    page = open_page(base_url=other).context.browser.new_page()
    page.goto(other)
    return page


def test_an_allowed_page_gets_a_stream(elsewhere: Page, allowing: Server) -> None:
    status, request_id, text = elsewhere.evaluate(ASK, [allowing.url, KEY])
    assert status == 200
    assert request_id
    assert text.rstrip().endswith("data: [DONE]")
    elsewhere.close()


def test_an_allowed_page_is_told_why_it_is_refused(elsewhere: Page, allowing: Server) -> None:
    status, _, text = elsewhere.evaluate(ASK, [allowing.url, "sk-wrong"])
    assert status == 401
    assert "invalid_api_key" in text
    elsewhere.close()


def test_without_permission_the_browser_keeps_the_answer(elsewhere: Page, site: str) -> None:
    told = elsewhere.evaluate(f"(args) => ({ASK})(args).catch((error) => error.name)", [site, KEY])
    assert told == "TypeError"
    elsewhere.close()
