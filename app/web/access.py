"""The key that a request needs, and the limits of the key.

What a request may reach without a key is decided by the rule that the router has matched, never by
the path, the URL or the Host that it came with.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

from app.access.gate import Gate
from app.access.leases import Lease
from app.tally import Tally

# Everything else is closed, also what does not exist.
OPEN_RULES = frozenset(
    {
        *("/", "/playground/<path:name>", "/docs", "/docs/<path:name>", "/openapi.json"),
        *("/health", "/livez", "/readyz", "/version"),
    }
)


def register_access(app: Flask, gate: Gate) -> None:
    """Let nobody without a key in but at OPEN_RULES, and keep to the limits of each key."""

    @app.before_request
    def check() -> None:
        if request.url_rule is not None and request.url_rule.rule in OPEN_RULES:
            return
        key = gate.identify(_presented())
        g.key_name = key.name
        g.lease = gate.lease(key)
        g.lease.begin()

    @app.after_request
    def tell(response: Response) -> Response:
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        lease: Lease | None = g.pop("lease", None)
        if lease is not None:
            tally: Tally = g.get("tally") or Tally()
            response.headers.extend(lease.headers(tally))
            response.call_on_close(lambda: lease.end(tally))
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        lease: Lease | None = g.pop("lease", None)
        if lease is not None:
            # There is no response that will be closed.
            lease.end(g.get("tally") or Tally())


def _presented() -> str | None:
    """The request's key: `Authorization: Bearer KEY` or else `x-api-key: KEY`."""
    given = request.headers.get("Authorization")
    if given is None:
        return request.headers.get("X-Api-Key")
    scheme, _, key = given.partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else None
