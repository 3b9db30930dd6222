"""The tests with a real Redis run with WHOLE=1 only: they may need Debian's archive."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("WHOLE") else ["whole/*"]
