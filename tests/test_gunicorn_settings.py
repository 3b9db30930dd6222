"""What gunicorn.conf.py does in each worker."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
ARENAS = """
import ctypes, runpy, sys, threading
hooks = runpy.run_path("gunicorn.conf.py")
if sys.argv[1] == "shared":
    hooks["share_arenas"]()
started, ended = threading.Barrier(9), threading.Event()

def work():
    kept = [bytes(1000) for _ in range(1000)]
    started.wait()
    ended.wait()

for _ in range(8):
    threading.Thread(target=work).start()
started.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(stream := libc.fdopen(1, b"w")))
libc.fflush(ctypes.c_void_p(stream))
ended.set()
"""
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


def num_arenas(way: str) -> int:
    command = [sys.executable, "-c", ARENAS, way]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return found.stdout.count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="glibc alone has arenas")
def test_native_threads_share_memory() -> None:
    assert num_arenas("own") > 2
    assert num_arenas("shared") == 2
