"""How late a server answers a trivial question, asked all the time: its event loop's lag.

`python -m benchmarks.lag --port P --path /livez --seconds S` prints one JSON object. The next
question leaves `--interval` after the last one did, or when the last one is answered.
"""

import argparse
import http.client
import json
import time
from collections.abc import Sequence

from demo.ports import LOOPBACK

INTERVAL = 0.005


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/livez")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--interval", type=float, default=INTERVAL)
    options = parser.parse_args(arguments)
    latencies = probe(options.port, options.path, options.seconds, options.interval)
    print(json.dumps({"requests": len(latencies), "latency_ms": summary(latencies)}))


def probe(port: int, path: str, seconds: float, interval: float = INTERVAL) -> list[float]:
    """Latencies of GET `path` on one warm connection, in milliseconds."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=60.0)
    _ask(connection, path)
    ends = time.monotonic() + seconds
    latencies = []
    while (started := time.monotonic()) < ends:
        _ask(connection, path)
        taken = time.monotonic() - started
        latencies.append(taken * 1000)
        time.sleep(max(interval - taken, 0.0))
    connection.close()
    return latencies


def summary(values: Sequence[float]) -> dict[str, float]:
    """The percentiles of the load generators' reports."""
    ordered = sorted(values)
    at = {name: ordered[_index(int(name[1:]), len(ordered))] for name in ("p50", "p95", "p99")}
    return {**at, "max": ordered[-1]}


def _index(percentile: int, count: int) -> int:
    """The nearest rank: the lowest value that at least this share of all does not exceed."""
    return max(-(-percentile * count // 100), 1) - 1


def _ask(connection: http.client.HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    connection.getresponse().read()


if __name__ == "__main__":
    main()
