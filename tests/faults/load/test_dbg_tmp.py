import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.bench.client import ask
from tests.faults.bench.common import GOOD_CALL
from tests.faults.load.crowd import Visit, post, run
from tests.faults.load.test_slow_clients import STREAM


def test_dbg(load):
    server = load.gateway.server
    visits = [Visit(post(STREAM), is_reading=False)] * 15
    off = len(server.log_text())
    is_over = threading.Event()
    t0 = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        crowd = pool.submit(run, server, visits, seconds=120, watch=is_over.is_set)
        while load.counters().cancelled < 15 and not crowd.done():
            print(f"{time.monotonic()-t0:.1f}", load.counters())
            time.sleep(1)
        is_over.set()
        crowd.result()
    for _ in range(12):
        o = ask(server, GOOD_CALL)
        print(f"{time.monotonic()-t0:.1f}", o.kind, o.status, o.error, o.failure, f"{o.seconds:.2f}", load.counters(), load.gateway.num_running())
        time.sleep(1)
    print(server.log_text()[off:][-6000:])
    print(load.triton._log_file.read_text()[-1500:] if hasattr(load.triton, "_log_file") else vars(load.triton))
    for pid in load.gateway.worker_pids:
        print(subprocess.run(["/tmp/hp/bin/py-spy", "dump", "--pid", str(pid)], capture_output=True, text=True).stdout[-3000:])
