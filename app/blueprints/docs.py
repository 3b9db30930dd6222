"""The API's description as a page, on which each operation can be tried."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Response

from app.web.page_files import PAGE, StaticFile, file_response, read_files

blueprint = Blueprint("docs", __name__)

OWN = Path(__file__).resolve().parent.parent / "docs_page"
# https://github.com/swagger-api/swagger-ui, as a library of the server brings it along.
LIBRARY = "flask_swagger_ui"
TAKEN = ("swagger-ui-bundle.js", "swagger-ui.css")


def _read_all() -> Mapping[str, StaticFile]:
    """The page's own files, and those of Swagger UI that it needs."""
    found = find_spec(LIBRARY)
    assert found is not None
    assert found.submodule_search_locations is not None
    library = read_files(Path(found.submodule_search_locations[0]) / "dist")
    return {**read_files(OWN), **{name: library[name] for name in TAKEN}}


# Read once: a request finds a name among these, and never looks into a folder.
FILES = _read_all()


@blueprint.get("/docs")
def get_page() -> Response:
    """The page."""
    return file_response(FILES, PAGE)


@blueprint.get("/docs/<path:name>")
def get_file(name: str) -> Response:
    """What the page loads."""
    return file_response(FILES, name)
