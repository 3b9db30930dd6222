"""The playground's files: what is served, to whom, and with which headers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.blueprints.playground import FOLDER
from app.web.page_files import KINDS, read_files
from tests.applications import build_application
from tests.web.keys import check_refusal, send

FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
OUTSIDE = (
    "/playground/",
    "/playground/nothing.js",
    "/playground/texts",
    "/playground/../settings.py",
    "/playground/%2e%2e/settings.py",
    "/playground//app.js",
    "/playground/views/../app.js",
    "/playground/" + str(FOLDER / "app.js"),
    "/playground",
    "/index.html",
)
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
}


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


def test_every_file_of_the_folder_is_served(client: FlaskClient) -> None:
    assert {Path(name).suffix for name in FILES} == set(KINDS)
    for name in FILES:
        response = client.get(f"/playground/{name}")
        assert response.status_code == 200, name
        assert response.data == (FOLDER / name).read_bytes()
        assert response.content_type == KINDS[Path(name).suffix]


def test_the_root_is_the_page(client: FlaskClient) -> None:
    response = client.get("/")
    assert response.data == (FOLDER / "index.html").read_bytes()
    assert response.content_type == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/playground/app.js", "/playground/style.css"])
def test_nothing_of_elsewhere_may_be_loaded(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert {part.strip() for part in headers["Content-Security-Policy"].split(";")} == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_page_has_nothing_inline_and_nothing_of_elsewhere() -> None:
    page = (FOLDER / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    loaded = re.findall(r'<(?:script|link)[^>]*\s(?:src|href)="([^"]*)"', page)
    assert len(loaded) >= 5
    assert all(url.startswith(("./playground/", "data:")) for url in loaded)
    names = [url.removeprefix("./playground/") for url in loaded if not url.startswith("data:")]
    assert set(names) <= set(FILES)


def test_a_browser_that_has_the_file_is_told_so(client: FlaskClient) -> None:
    first = client.get("/playground/app.js")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get("/playground/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get("/playground/app.js", headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.data) == (200, first.data)


@pytest.mark.parametrize("path", OUTSIDE)
def test_what_is_not_of_the_page_is_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json["error"]["code"] == "not_found"


def test_files_of_other_kinds_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/b.js", "c.py", "d.js.bak", ".e.swp"):
        (tmp_path / name).write_text(name)
    assert list(read_files(tmp_path)) == ["a/b.js"]


def test_it_needs_no_key(keyed: Flask) -> None:
    for path in ("/", "/playground/app.js", "/playground/views/chat.js"):
        assert send(keyed, "GET", path).status_code == 200
    check_refusal(send(keyed, "POST", "/"))
    check_refusal(send(keyed, "GET", "/playground"))


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    client = build_application(tmp_path, {}, PLAYGROUND="no").test_client()
    for path in ("/", "/playground/app.js"):
        response = client.get(path)
        assert response.status_code == 404
        assert response.json["error"]["code"] == "not_found"
