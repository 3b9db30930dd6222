"""What nginx makes of streams when its file says less than deploy/nginx.conf."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from demo.counters import Counters
from tests.live.http import Server
from tests.proxies.programs import proxied
from tests.proxies.test_behind_proxies import COMPLETIONS, SHORT

pytestmark = pytest.mark.whole

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
