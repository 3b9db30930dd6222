"""CPU and memory of process trees, seen on processes that are really there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.sampling import Peak, cpu_seconds, process_tree, pss_bytes
from tests.live.waiting import wait_until

TREE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
child.wait()
"""
BUSY = """
import time
kept = bytearray(64 * 2**20)
while time.process_time() < 0.3: pass
print("done", flush=True)
time.sleep(60)
"""


@pytest.fixture
def tree() -> Iterator[tuple[int, int]]:
    """A process that does nothing, and its child that took 0.3 s of CPU and 64 MiB."""
    command = [sys.executable, "-c", TREE, BUSY]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline().split()[0])
    yield parent.pid, child
    os.kill(child, 9)
    parent.wait()
    parent.stdout.close()


def test_a_child_counts(tree: tuple[int, int]) -> None:
    parent, child = tree
    assert process_tree(parent) == [parent, child]
    assert 0.3 <= cpu_seconds(parent) < 3
    assert pss_bytes(parent) > pss_bytes(child) > 64 * 2**20


def test_what_is_gone_counts_nothing() -> None:
    process = subprocess.Popen(["/bin/true"])
    process.wait()
    assert cpu_seconds(process.pid) == 0.0
    assert pss_bytes(process.pid) == 0


def test_the_peak_is_kept() -> None:
    values = [1, 5, 2]
    with Peak(lambda: values.pop(0) if values else 0, interval=0.01) as peak:
        wait_until(lambda: not values, "the last sample")
    assert peak.value == 5
