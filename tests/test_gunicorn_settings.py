"""What gunicorn.conf.py does in each worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PROGRAM = """
import gc, runpy
hooks = runpy.run_path("gunicorn.conf.py")
hooks["settle_garbage_collector"]()
print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], len(gc.get_objects()) < 1000)
"""


def test_the_collector_leaves_out_what_a_worker_has_loaded() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert found.stdout == "True 10000 True\n"
