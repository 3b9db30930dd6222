"""The view of rerank, compared with the server's own answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.live.http import Server

QUERY = "When are wages paid?"
DOCUMENTS = [
    "The office closes at six.",
    "Bring your own cup.",
    "Wages are paid at the end of each month.",
]


def rank(page: Page, top_n: str = "") -> None:
    """Fill in the form and send it."""
    page.goto("./#rerank")
    page.get_by_label("Query").fill(QUERY)
    page.get_by_label("Documents").fill("\n".join(DOCUMENTS))
    page.get_by_label("How many to return").fill(top_n)
    page.get_by_role("button", name="Rank", exact=True).click()


def answered(server: Server, **fields: Any) -> Any:
    body = {"model": "minilm-reranker", "query": QUERY, "documents": DOCUMENTS, **fields}
    return server.post("/v1/rerank", body).json()


def column(page: Page, name: str) -> list[str]:
    return [text.strip() for text in page.locator(f".ranking tbody .{name}").all_inner_texts()]


def test_documents_are_shown_in_their_new_order(page: Page, site_server: Server) -> None:
    results = answered(site_server)["results"]
    rank(page)
    expect(page.locator(".ranking tbody tr")).to_have_count(3)
    assert column(page, "document") == [DOCUMENTS[result["index"]] for result in results]
    assert results[0]["index"] == 2
    scores = [f"{result['relevance_score']:.4f}" for result in results]
    assert column(page, "score") == scores
    expect(page.get_by_role("status")).to_have_text("3 of 3 documents ranked")


def test_bars_are_as_long_as_the_scores(page: Page, site_server: Server) -> None:
    scores = [result["relevance_score"] for result in answered(site_server)["results"]]
    rank(page)
    bars = page.locator(".ranking .bar")
    expect(bars).to_have_count(3)
    script = (
        "bar => bar.firstChild.getBoundingClientRect().width / bar.getBoundingClientRect().width"
    )
    shares = [bar.evaluate(script) for bar in bars.all()]
    assert shares == pytest.approx(scores, abs=0.01)


def test_how_far_each_has_moved_is_told_in_words(page: Page, site_server: Server) -> None:
    results = answered(site_server)["results"]
    rank(page)
    cells = page.locator(".ranking tbody .change")
    expect(cells).to_have_count(3)
    for place, (result, cell) in enumerate(zip(results, cells.all(), strict=True)):
        steps, was = result["index"] - place, result["index"] + 1
        words = {
            1: f"up {steps}, was number {was}",
            -1: f"down {-steps}, was number {was}",
            0: "not moved",
        }
        expect(cell).to_contain_text(words[(steps > 0) - (steps < 0)])
    expect(cells.first).to_contain_text("▲ 2")


def test_top_n(page: Page) -> None:
    rank(page, top_n="1")
    expect(page.locator(".ranking tbody tr")).to_have_count(1)
    facts = page.locator(".figures dd")
    assert facts.all_inner_texts()[:2] == ["3", "1"]


def test_scores_without_a_range_are_compared_with_each_other(page: Page) -> None:
    raw = [{"index": 1, "relevance_score": 7.5}, {"index": 0, "relevance_score": -2.5}]
    answer = {"results": raw, "usage": {"total_tokens": 9}}
    page.route("**/v1/rerank", lambda route: route.fulfill(json=answer))
    rank(page)
    expect(page.get_by_text("These scores have no fixed range")).to_be_visible()
    widths = page.locator(".bar-fill").evaluate_all("bars => bars.map((bar) => bar.style.width)")
    assert column(page, "score") == ["7.5000", "−2.5000"]
    assert widths == ["100%", "0%"]


def test_a_refused_field_is_marked(page: Page) -> None:
    rank(page)
    page.get_by_label("Query").fill("")
    page.get_by_role("button", name="Rank", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Query")).to_have_attribute("aria-invalid", "true")
    expect(page.locator(".ranking")).to_have_count(0)


def test_without_a_model_nothing_can_be_sent(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": []}))
    page.goto("./#rerank")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_text("No rerank model is configured.")).to_be_visible()
    expect(panel.get_by_role("button", name="Rank", exact=True)).to_be_disabled()
    panel.get_by_role("textbox").last.press("Control+Enter")
    expect(panel.get_by_role("alert")).to_have_count(0)
    assert not [url for url in sent if url.endswith("/v1/rerank")]


def test_with_a_model_no_sentence_says_otherwise(page: Page) -> None:
    page.goto("./#rerank")
    button = page.get_by_role("button", name="Rank", exact=True)
    expect(button).to_be_enabled()
    expect(page.get_by_text("No rerank model is configured.")).to_be_hidden()


def test_in_chinese_on_a_telephone(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="zh-CN", viewport={"width": 360, "height": 740})
    page.goto("./#rerank")
    page.get_by_role("button", name="排序", exact=True).click()
    expect(page.get_by_text("满格表示得分为 1。")).to_be_visible()
    expect(page.locator(".ranking tbody tr")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
