"""The page to try the models in a browser."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response

from app.web.page_files import PAGE, file_response, read_files

blueprint = Blueprint("playground", __name__)

FOLDER = Path(__file__).resolve().parent.parent / "playground"
# Read once: a request finds a name among these, and never looks into a folder.
FILES = read_files(FOLDER)


@blueprint.get("/")
def get_page() -> Response:
    """The page."""
    return file_response(FILES, PAGE)


@blueprint.get("/playground/<path:name>")
def get_file(name: str) -> Response:
    """What the page loads."""
    return file_response(FILES, name)
