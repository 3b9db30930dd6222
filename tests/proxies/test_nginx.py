"""What nginx makes of streams when its file says less than deploy/nginx.conf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from demo.counters import Counters
from tests.live.http import Server
from tests.proxies.programs import proxied
from tests.proxies.test_behind_proxies import COMPLETIONS, SHORT

pytestmark = [
    pytest.mark.whole,
    pytest.mark.case("E3", "nginx with buffering, HTTP/1.0 and uploads"),
]

# By what differs from deploy/nginx.conf.
DIFFERENT = {
    "buffering on": {"proxy_buffering off;": "proxy_buffering on;"},
    "HTTP/1.0": {"proxy_http_version 1.1;": "proxy_http_version 1.0;"},
}


@pytest.mark.parametrize("edits", DIFFERENT.values(), ids=DIFFERENT)
def test_streams_pass_event_by_event_all_the_same(
    edits: Mapping[str, str],
    proxied_gateway: Server,
    slow_counters: Callable[[str], Counters],
    tmp_path: Path,
) -> None:
    """The server's header X-Accel-Buffering is enough for nginx."""
    with proxied("nginx", proxied_gateway.port, tmp_path / "run", edits) as nginx:
        before = slow_counters("ft-slow").completed
        with nginx.stream(COMPLETIONS, SHORT) as stream:
            lines = stream.lines()
            next(lines)
            assert slow_counters("ft-slow").completed == before
            assert list(lines)[-1] == "data: [DONE]"


def test_a_head_that_is_too_large_is_refused_in_openais_form(
    proxied_gateway: Server, tmp_path: Path
) -> None:
    with proxied("nginx", proxied_gateway.port, tmp_path / "run") as nginx:
        answer = nginx.request("GET", "/v1/models", headers={"X-Large": "a" * 100_000})
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["error"]["message"] == "the request cannot be read"
