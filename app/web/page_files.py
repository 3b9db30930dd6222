"""Files of pages for browsers, which the package and its libraries bring along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from flask import Response, abort, request

PAGE = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
HEADERS = {
    # Nothing from elsewhere, nothing inline, and no page around it.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The ETag tells a browser that it has the file of this version.
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file's content, and what the response says of it."""

    content: bytes
    mimetype: str
    etag: str


def read_files(folder: Path) -> Mapping[str, StaticFile]:
    """The files below `folder` by their paths in it; others than KINDS are left out."""
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in KINDS)
    return MappingProxyType({path.relative_to(folder).as_posix(): _read(path) for path in paths})


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(content, KINDS[path.suffix], sha256(content).hexdigest()[:32])


def file_response(files: Mapping[str, StaticFile], name: str) -> Response:
    """The file of that name, or 304 if the browser has it; what is not among `files` is 404."""
    found = files.get(name)
    if found is None:
        abort(404)
    response = Response(found.content, content_type=found.mimetype, headers=HEADERS)
    response.set_etag(found.etag)
    response.make_conditional(request)
    return response
