"""Pages of other origins that may call the server: https://fetch.spec.whatwg.org/#http-cors-protocol

Keys travel in a header that the page sets itself, so cookies and the like are never allowed.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, request

ANY = "*"
METHODS = "GET, POST"
# The star means every header but this one.
HEADERS = "*, Authorization"
# Seconds for which a browser need not ask again.
MAX_AGE = "600"


def register_cross_origin(app: Flask, origins: Collection[str]) -> None:
    """Let pages of these origins, or of any with `*`, read the answers; no others."""

    @app.before_request
    def answer_preflight() -> Response | None:
        asked = "Access-Control-Request-Method" in request.headers
        if request.method != "OPTIONS" or not asked or _allowed(origins) is None:
            return None
        response = Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = MAX_AGE
        return response

    @app.after_request
    def allow(response: Response) -> Response:
        allowed = _allowed(origins)
        if ANY not in origins:
            # A cache must not give one origin's answer to another.
            response.vary.add("Origin")
        if allowed is not None:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = ANY
        return response


def _allowed(origins: Collection[str]) -> str | None:
    origin = request.headers.get("Origin")
    if origin is not None and ANY in origins:
        return ANY
    return origin if origin in origins else None
