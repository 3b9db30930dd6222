"""CPU-bound work: in place on a threaded host, in a native thread on an event loop."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from app import offload

UNDER_GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent, time
from gevent.monkey import get_original
from app import offload
sleep, identify = get_original("time", "sleep"), get_original("_thread", "get_ident")
assert offload.is_event_loop()
ticks = []
ticker = gevent.spawn(lambda: [(ticks.append(1), gevent.sleep(0.01)) for _ in range(100)])
# It ends when the loop has gone on.
deadline = time.monotonic() + 60
def work():
    while len(ticks) < 10 and get_original("time", "monotonic")() < deadline:
        sleep(0.01)
    return identify()
assert offload.run(work) != identify()
assert len(ticks) >= 10, ticks
def fail(): raise KeyError("x")
try:
    offload.run(fail)
except KeyError:
    print("ok")
"""


def test_a_threaded_host_works_in_place() -> None:
    assert not offload.is_event_loop()
    assert offload.run(threading.get_ident) == threading.get_ident()


def test_arguments_results_and_errors_pass_through() -> None:
    assert offload.run(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        offload.run(int, "x")


def test_an_event_loop_goes_on_meanwhile() -> None:
    found = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT], capture_output=True, text=True, check=False
    )
    assert found.stdout == "ok\n", found.stderr


LONG_WORK = """
from gevent import monkey
monkey.patch_all()
import gevent, os, time
from gevent.monkey import get_original
from app import offload
sleep = get_original("time", "sleep")
is_over = []
def work():
    while not is_over:
        sleep(0.01)
busy = [gevent.spawn(offload.run, work) for _ in range(30)]
gevent.sleep(0.05)
with gevent.Timeout(60):
    print(gevent.get_hub().threadpool.apply(int) == 0, end=" ")
is_over.append(True)
niceness = lambda: os.getpriority(os.PRIO_PROCESS, 0)
print(niceness(), offload.run(niceness), niceness())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no niceness")
def test_long_work_stops_no_look_up_and_stands_back() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LONG_WORK], capture_output=True, text=True, check=True
    )
    has_free_thread, before, inside, after = found.stdout.split()
    assert has_free_thread == "True"
    assert int(inside) == max(offload.NICENESS, int(before))
    assert before == after


FORBIDDEN = """
from gevent import monkey
monkey.patch_all()
import os
from app import offload
def refuse(*args):
    raise PermissionError
os.setpriority = refuse
print(offload.run(int, "5"))
"""


def test_work_is_done_where_a_sandbox_forbids_to_stand_back() -> None:
    found = subprocess.run([sys.executable, "-c", FORBIDDEN], capture_output=True, text=True)
    assert found.stdout == "5\n", found.stderr
