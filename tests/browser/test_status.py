"""The view of the server's state, while the server does something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from app.web.access import OPEN_RULES
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.browser.routes import HURRY, Instead
from tests.browser.site import DEMO_MODELS, KEY, site_configuration
from tests.live.http import Server
from tests.live.servers import running, write_configuration

STORY = {"model": "ft-slow", "prompt": "Once upon a time", "max_tokens": 1000, "temperature": 0}
# As when another tab is shown.
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
OWN_ROUTES = """async () => {
    const figures = await import(new URL("playground/server_figures.js", document.baseURI));
    return [...figures.OWN_ROUTES];
}"""
SCRAPE = """# HELP a_total Some text
# TYPE a_total counter
a_total{model="x\\"y\\\\z\\n",status="200"} 3.0
a_total{model="m",status="200"} 4 1700000000
a_total{status="500",model="m"} 1e1

b 2.5
c_bucket{le="+Inf"} +Inf
"""


@pytest.fixture(scope="module")
def broken_server(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Its chat model's Triton is away, and its metrics are at another address."""
    folder = tmp_path_factory.mktemp("broken")
    closed, metrics = free_ports(2)
    configuration = site_configuration(tritonserver, DEMO_MODELS)
    configuration["llm"][0]["url"] = f"127.0.0.1:{closed}"
    path = write_configuration(folder / "models.json", configuration)
    metrics_bind = f"127.0.0.1:{metrics}"
    with running("gunicorn", path, folder / "log", METRICS_BIND=metrics_bind) as server:
        yield server


def model_row(page: Page, name: str) -> Locator:
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
    return row.first


def cell(page: Page, model: str, column: str) -> Locator:
    """The cell of the table of models."""
    heads = page.get_by_role("region", name="Models").get_by_role("columnheader")
    expect(heads.first).to_be_visible()
    index = heads.all_inner_texts().index(column)
    return model_row(page, model).locator("th, td").nth(index)


def test_the_text_format_is_read(modules: Page) -> None:
    found = modules.evaluate(
        """async (text) => {
            const { Scrape } = await import(new URL("playground/prometheus.js", document.baseURI));
            const scrape = new Scrape(text);
            return [scrape.of("a_total")[0].labels.model, scrape.sum("a_total", {model: "m"}),
                scrape.sum("b"), scrape.sum("none"), [...scrape.by("a_total", "status")],
                String(scrape.sum("c_bucket"))];
        }""",
        SCRAPE,
    )
    assert found == ['x"y\\z\n', 14, 2.5, None, [["200", 7], ["500", 10]], "Infinity"]


def test_every_model_is_ready_with_its_task_and_tritons(page: Page) -> None:
    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("Ready")
    for name, task in {"demo-chat": "text", "minilm-reranker": "rerank"}.items():
        expect(cell(page, name, "For")).to_have_text(task)
        expect(cell(page, name, "State")).to_contain_text("ready")
        expect(cell(page, name, "Tritons")).to_have_text("1 of 1 ready")


def test_a_request_in_flight_and_its_tokens_afterwards(page: Page, site_server: Server) -> None:
    page.goto("./#status")
    expect(cell(page, "ft-slow", "In flight")).to_have_text("0")
    with site_server.stream("/v1/completions", STORY) as stream:
        lines = stream.lines()
        for _ in range(10):
            next(lines)
        expect(cell(page, "ft-slow", "In flight")).to_have_text("1")
    # The stream is left here, so what it made is counted.
    expect(cell(page, "ft-slow", "In flight")).to_have_text("0")
    expect(cell(page, "ft-slow", "Tokens/s out")).not_to_have_text("0")
    expect(cell(page, "ft-slow", "First token")).to_contain_text("s")
    expect(cell(page, "ft-slow", "Cancelled")).not_to_have_text("0")


def test_answered_requests_by_status(page: Page, site_server: Server) -> None:
    site_server.post("/v1/rerank", {"model": "no-such-model", "query": "a", "documents": ["b"]})
    page.goto("./#status")
    table = page.get_by_role("region", name="Answered requests").get_by_role("table")
    expect(table.get_by_role("columnheader", name="404")).to_be_visible()
    column = table.get_by_role("columnheader").all_inner_texts().index("404")
    row = table.get_by_role("row").filter(has_text="/v1/rerank")
    assert int(row.locator("th, td").nth(column).inner_text()) >= 1
    expect(table.get_by_role("row").filter(has_text="/readyz")).to_have_count(0)


def test_pages_files_and_probes_are_no_requests_of_the_api(modules: Page) -> None:
    """They are what needs no key, and the metrics."""
    found = modules.evaluate(OWN_ROUTES)
    assert sorted(found) == sorted({*OPEN_RULES, "/metrics"})


def test_failures_of_triton_by_kind(page: Page) -> None:
    failed = 'openai_api_backend_errors_total{model="demo-chat",kind="backend_unavailable"} 3\n'
    page.route("**/metrics", lambda route: route.fulfill(body=failed, content_type="text/plain"))
    page.goto("./#status")
    row = page.get_by_role("region", name="Failures of Triton").locator("tbody tr")
    expect(row.locator("th, td")).to_have_text(["demo-chat", "backend_unavailable", "3"])
    # What a server does not give is no 0.
    expect(cell(page, "demo-chat", "In flight")).to_have_text("–")


def test_a_triton_that_is_left_alone(page: Page) -> None:
    state = 'openai_api_backend_breaker_state{model="demo-chat",replica="1"} 2\n'
    page.route("**/metrics", lambda route: route.fulfill(body=state, content_type="text/plain"))
    page.goto("./#status")
    expect(cell(page, "demo-chat", "Tritons")).to_contain_text("number 2 left alone after failures")


def test_a_model_that_is_not_ready_and_metrics_elsewhere(
    open_page: Callable[..., Page], broken_server: Server
) -> None:
    asked: list[str] = []
    page = open_page(base_url=broken_server.url)
    page.add_init_script(HURRY)
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/#status")
    expect(page.locator(".state")).to_have_text("Not ready")
    report = broken_server.get("/readyz").json()["models"]["demo-chat"]
    state = cell(page, "demo-chat", "State")
    expect(state).to_contain_text("not ready")
    expect(state).to_contain_text(report["cause"])
    expect(cell(page, "minilm-reranker", "State")).to_have_text("● ready")
    expect(page.get_by_text("at another address (METRICS_BIND)")).to_be_visible()
    expect(page.get_by_role("heading", name="Answered requests")).to_be_hidden()
    with page.expect_response("**/readyz"):
        pass
    with page.expect_response("**/readyz"):
        pass
    assert sum(url.endswith("/metrics") for url in asked) == 1


def test_a_change_of_readiness_is_announced(page: Page) -> None:
    report: dict[str, Any] = {
        "status": "ready",
        "models": {"demo-chat": {"ready": True, "tritons": {"ready": 1, "total": 1}}},
    }
    page.add_init_script(HURRY)
    answers = Instead(page, "**/readyz", lambda route: route.fulfill(json=report))
    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("Ready")
    away = {"ready": False, "tritons": {"ready": 0, "total": 1}, "cause": "It is away."}
    broken = {"status": "not ready", "models": {"demo-chat": away}}
    answers.answer = lambda route: route.fulfill(status=503, json=broken)
    expect(page.get_by_role("status")).to_have_text("demo-chat: not ready")


def test_a_server_that_stops(page: Page) -> None:
    page.route("**/readyz", lambda route: route.fulfill(status=503, json={"status": "draining"}))
    page.goto("./#status")
    expect(page.locator(".state")).to_contain_text("Stopping")


def test_metrics_that_need_a_key(open_page: Callable[..., Page], keyed_server: Server) -> None:
    page = open_page(base_url=keyed_server.url)
    page.add_init_script(HURRY)
    page.goto("/#status")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("only to those with an API key")).to_be_visible()
    expect(cell(page, "demo-chat", "State")).to_have_text("● ready")
    # It does not ask for the key again and again.
    with page.expect_response("**/readyz"):
        pass
    with page.expect_response("**/readyz"):
        pass
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="API key").click()
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Use this key").click()
    expect(cell(page, "demo-chat", "In flight")).to_have_text("0")
    expect(cell(page, "demo-chat", "For")).to_have_text("text")
    expect(page.get_by_text("only to those with an API key")).to_have_count(0)


def test_a_key_that_may_not_ask_so_often(page: Page) -> None:
    refused = {"error": {"message": "Too many requests", "code": "rate_limit_exceeded"}}
    page.add_init_script(HURRY)
    refusals = Instead(page, "**/metrics", lambda route: route.fulfill(status=429, json=refused))
    page.goto("./#status")
    expect(page.get_by_text("Your key's limit of requests is reached")).to_be_visible()
    refusals.end()
    expect(cell(page, "demo-chat", "In flight")).to_have_text("0")


def test_a_server_that_is_gone_and_comes_back(page: Page) -> None:
    page.add_init_script(HURRY)
    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("Ready")
    gone = Instead(page, "**/readyz", lambda route: route.abort())
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    gone.end()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_it_asks_only_while_it_is_looked_at(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.install()

    def is_quiet() -> bool:
        """Whether it begins to ask for nothing in a minute.

        Another view may load its files, and what it has begun ends with the metrics.
        """
        before = len(asked)
        page.clock.run_for(60_000)
        return not any(url.endswith("/readyz") for url in asked[before:])

    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("Ready")
    with page.expect_response("**/metrics"):
        page.clock.run_for(3000)
    page.evaluate(HIDE, True)
    assert is_quiet()
    with page.expect_response("**/metrics"):
        page.evaluate(HIDE, False)
    page.get_by_role("button", name="Pause").click()
    assert is_quiet()
    with page.expect_response("**/metrics"):
        page.get_by_role("button", name="Continue").click()
    page.get_by_role("tab", name="Rerank").click()
    assert is_quiet()


def test_in_chinese_on_a_telephone(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="zh-CN", viewport={"width": 360, "height": 740})
    page.goto("./#status")
    expect(page.locator(".state")).to_have_text("就绪")
    expect(page.get_by_role("rowheader", name="demo-chat")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
