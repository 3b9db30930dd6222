"""`/docs`: its files, and no others."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from app.blueprints.docs import FILES

SOURCE = re.compile(r'(?:src|href)="\./docs/([^"]+)"')


def test_the_page_loads_what_there_is_and_nothing_is_left_over(client: FlaskClient) -> None:
    page = client.get("/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert {*SOURCE.findall(page.text), "index.html"} == FILES.keys()
    for name in FILES:
        assert client.get(f"/docs/{name}").status_code == 200


def test_it_names_no_other_host_and_has_nothing_inline(client: FlaskClient) -> None:
    page = client.get("/docs").text
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js"])
def test_what_the_browser_may_do(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["oauth2-redirect.html", "absent.js", "../start.js", "%2e%2e/docs.py", ""]
)
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert (answer.status_code, answer.mimetype) == (404, "application/json")


def test_a_browser_that_has_a_file_is_told_so(client: FlaskClient) -> None:
    etag = client.get("/docs/swagger-ui.css").headers["ETag"]
    again = client.get("/docs/swagger-ui.css", headers={"If-None-Match": etag})
    assert (again.status_code, again.data) == (304, b"")
