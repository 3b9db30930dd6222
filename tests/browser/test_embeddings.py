"""The view of embeddings, compared with numpy."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.routes import LINGER
from tests.live.http import Server

TEXTS = ["A dog runs.", "A puppy is running.", "Interest rates rose.", "你好，世界"]
MODULE = """async ([name, values]) => {
    const vectors = await import(new URL("playground/vectors.js", document.baseURI));
    return vectors[name](...values);
}"""


@pytest.fixture
def call(modules: Page) -> Callable[..., Any]:
    """Calls a function of the page's vectors.js."""
    return lambda name, *values: modules.evaluate(MODULE, [name, values])


def embed(page: Page, texts: list[str], **fields: str) -> None:
    """Fill in the form and send it."""
    page.goto("./#embeddings")
    page.get_by_label("Texts").fill("\n".join(texts))
    for label, value in fields.items():
        page.get_by_label(label.capitalize()).fill(value)
    page.get_by_role("button", name="Embed").click()


def cosines(vectors: Any) -> Any:
    array = np.array(vectors, dtype=np.float64)
    units = array / np.linalg.norm(array, axis=1, keepdims=True)
    return units @ units.T


def shown_cosines(page: Page) -> list[list[float]]:
    cells = page.locator(".heat tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.querySelectorAll('td')].map((cell) => cell.textContent))"
    )
    return [[float(cell.replace("−", "-")) for cell in row] for row in cells]


def answered(server: Server, texts: list[str], **fields: Any) -> Any:
    body = {"model": "all-minilm-l6-v2", "input": texts, **fields}
    return server.post("/v1/embeddings", body).json()


def test_cosines_are_numpys(call: Callable[..., Any]) -> None:
    vectors = np.random.default_rng(1).normal(size=(7, 50)).tolist()
    assert np.allclose(call("cosines", vectors), cosines(vectors))
    assert call("cosine", [0, 0], [1, 2]) == 0


@pytest.mark.parametrize("shape", [(2, 384), (7, 384), (40, 64), (5, 2), (6, 1)])
def test_the_projection_is_that_of_a_singular_value_decomposition(
    call: Callable[..., Any], shape: tuple[int, int]
) -> None:
    vectors = np.random.default_rng(2).normal(size=shape)
    found = call("project", vectors.tolist())
    left, lengths, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    expected = np.zeros((shape[0], 2))
    expected[:, : min(2, len(lengths))] = (left * lengths)[:, :2]
    points = np.array(found["points"])
    # The sign of an axis means nothing.
    assert np.allclose(np.abs(points), np.abs(expected), atol=1e-6)
    assert np.allclose(points @ points.T, expected @ expected.T, atol=1e-6)
    shares = [*(lengths**2 / (lengths**2).sum()).tolist(), 0.0]
    assert np.allclose(found["shares"], shares[:2], atol=1e-9)


def test_texts_that_are_all_the_same_lie_in_one_place(call: Callable[..., Any]) -> None:
    assert call("project", [[1, 2, 3]] * 3) == {"points": [[0, 0]] * 3, "shares": [0, 0]}


def test_base64_is_decoded(call: Callable[..., Any]) -> None:
    numbers = np.array([0.5, -1.25, 3e-8], dtype="<f4")
    assert np.array_equal(call("decodeVector", base64.b64encode(numbers).decode()), numbers)


def test_the_table_shows_the_cosines_of_the_models_vectors(page: Page, site_server: Server) -> None:
    answer = answered(site_server, TEXTS)
    expected = cosines([item["embedding"] for item in answer["data"]])
    embed(page, [TEXTS[0], "", *TEXTS[1:]])
    table = page.get_by_role("region", name="Cosine similarity").get_by_role("table")
    expect(table.get_by_role("rowheader")).to_have_count(4)
    expect(table.get_by_role("columnheader", name=f"3: {TEXTS[2]}")).to_be_visible()
    assert np.allclose(shown_cosines(page), expected, atol=0.0051)
    expect(page.get_by_text("Most alike: 1 and 2")).to_be_visible()
    facts = page.locator(".figures dd")
    expect(facts.nth(1)).to_have_text("384")
    expect(facts.nth(2)).to_have_text(str(answer["usage"]["prompt_tokens"]))


def test_the_map_has_a_point_and_a_label_for_each_text(page: Page) -> None:
    embed(page, TEXTS)
    plot = page.get_by_role("img", name="4 texts in two dimensions")
    expect(plot.locator(".point")).to_have_count(4)
    # Those that would cover another are left out.
    assert set(plot.locator(".point-label").all_text_contents()) <= set(TEXTS)
    assert plot.locator(".point-label").count() >= 3


def test_the_same_text_twice_is_two_points(page: Page) -> None:
    embed(page, ["same", "same", "other"])
    circles = page.locator(".point circle")
    expect(circles).to_have_count(3)
    places = [(c.get_attribute("cx"), c.get_attribute("cy")) for c in circles.all()]
    assert len(set(places)) == 3


def test_dimensions_and_base64(page: Page, site_server: Server) -> None:
    answer = answered(site_server, TEXTS, dimensions=32)
    page.goto("./#embeddings")
    page.get_by_label("Sent as").select_option("base64")
    page.get_by_label("Texts").fill("\n".join(TEXTS))
    page.get_by_label("Dimensions").fill("32")
    with page.expect_request("**/v1/embeddings") as sent:
        page.get_by_label("Texts").press("Control+Enter")
    assert sent.value.post_data_json["encoding_format"] == "base64"
    expect(page.locator(".figures dd").nth(1)).to_have_text("32")
    expected = cosines([item["embedding"] for item in answer["data"]])
    assert np.allclose(shown_cosines(page), expected, atol=0.0051)


def test_all_vectors_can_be_copied(page: Page, site_server: Server) -> None:
    page.add_init_script(LINGER)
    embed(page, TEXTS)
    page.get_by_text("The vectors' numbers").click()
    page.get_by_role("button", name="Copy all as JSON").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    expected = [item["embedding"] for item in answered(site_server, TEXTS)["data"]]
    assert np.allclose(copied, expected, atol=1e-6)


def test_a_refused_field_is_marked_until_it_is_right(page: Page) -> None:
    embed(page, TEXTS, dimensions="9999")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("must be at most 384")
    expect(page.get_by_label("Dimensions")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Dimensions", exact=True).fill("")
    page.get_by_role("button", name="Embed").click()
    expect(page.locator(".heat")).to_be_visible()
    expect(alert).to_have_count(0)
    assert page.get_by_label("Dimensions", exact=True).get_attribute("aria-invalid") is None


def test_no_text_is_the_servers_refusal_and_one_needs_no_table(page: Page) -> None:
    embed(page, [])
    expect(page.get_by_label("Texts")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Texts").fill("alone")
    page.get_by_role("button", name="Embed").click()
    expect(page.get_by_text("Two texts or more can be compared.")).to_be_visible()


def test_more_texts_than_a_table_can_show(page: Page) -> None:
    embed(page, [f"text number {index}" for index in range(70)])
    expect(page.get_by_text("The first 60 of 70 texts are compared.")).to_be_visible()
    expect(page.locator(".heat tbody tr")).to_have_count(60)


def test_without_a_model_nothing_can_be_sent(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": []}))
    page.goto("./#embeddings")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_text("No embedding model is configured.")).to_be_visible()
    expect(panel.get_by_role("button", name="Embed", exact=True)).to_be_disabled()
    panel.get_by_role("textbox").last.press("Control+Enter")
    expect(panel.get_by_role("alert")).to_have_count(0)
    assert not [url for url in sent if url.endswith("/v1/embeddings")]


def test_with_a_model_no_sentence_says_otherwise(page: Page) -> None:
    page.goto("./#embeddings")
    button = page.get_by_role("button", name="Embed", exact=True)
    expect(button).to_be_enabled()
    expect(page.get_by_text("No embedding model is configured.")).to_be_hidden()


def test_in_chinese_on_a_telephone(open_page: Callable[..., Page]) -> None:
    page = open_page(locale="zh-CN", viewport={"width": 360, "height": 740}, color_scheme="dark")
    page.goto("./#embeddings")
    page.get_by_role("button", name="生成向量").click()
    expect(page.get_by_role("heading", name="余弦相似度")).to_be_visible()
    expect(page.locator(".point")).to_have_count(6)
    # Nothing makes the page itself wider than the screen.
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_below_the_prefix_of_a_proxy(page: Page, site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(
        f"{site}/llm/**",
        lambda route: route.continue_(url=route.request.url.replace(f"{site}/llm/", f"{site}/")),
    )
    page.goto("./llm/#embeddings")
    page.get_by_role("button", name="Embed").click()
    expect(page.locator(".heat")).to_be_visible()
    page.get_by_role("tab", name="Status").click()
    expect(page.locator(".state")).to_have_text("Ready")
    assert [url for url in asked if not url.startswith((f"{site}/llm/", "data:"))] == []
    page.get_by_role("tab", name="Embeddings").click()
    page.get_by_role("button", name="Copy as").click()
    page.get_by_role("menuitem", name="curl").click()
    expect(page.get_by_role("status")).to_have_text("Copied: curl (shell)")
    assert f"'{site}/llm/v1/embeddings'" in page.evaluate("navigator.clipboard.readText()")
