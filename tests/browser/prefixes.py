"""A proxy that shows a site below a path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.exceptions import NotFound
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.serving import make_server


@contextmanager
def below(prefix: str, site: str) -> Iterator[str]:
    """The base URL of a proxy that shows the site below a path."""
    forward: Any = ProxyMiddleware(
        NotFound(), {f"/{prefix}/": {"target": f"{site}/", "remove_prefix": True}}, timeout=60
    )
    server = make_server("127.0.0.1", 0, forward, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
