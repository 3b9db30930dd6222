"""Limits that workers and hosts share, on a real Redis."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.access import windows as windows_module
from app.access.redis_storage import TIMEOUT, redis_storage
from app.access.windows import Windows
from demo.ports import free_ports
from tests.access.whole.redis import Redis
from tests.faults.bench.gateway import Gateway
from tests.live.http import Answer, Server
from tests.live.servers import write_configuration

pytestmark = pytest.mark.whole

KEY = "sk-right-0123456789"
LIMIT = 20


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis(*free_ports(1))
    server.start()
    yield server
    server.kill()


def counted(windows: Windows, times: int) -> int:
    """How many of so many requests were within the limit."""
    return sum(windows.take("requests", "a", LIMIT)[0] for _ in range(times))


def seconds(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def test_processes_share_one_count(redis: Redis) -> None:
    one, other = Windows(redis_storage(redis.url)), Windows(redis_storage(redis.url))
    assert counted(one, 15) + counted(other, 15) == LIMIT
    assert one.look("requests", "a", LIMIT).left == 0
    assert 0 < one.look("requests", "a", LIMIT).reset <= 60


def test_threads_get_no_more_than_the_limit(redis: Redis) -> None:
    windows, granted = Windows(redis_storage(redis.url)), []
    threads = [
        threading.Thread(target=lambda: granted.append(counted(windows, 5))) for _ in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == LIMIT
    assert not windows._is_failing


@pytest.mark.parametrize("fail", [Redis.kill, Redis.pause])
def test_a_redis_that_is_away_costs_one_request_a_moment(
    redis: Redis, fail: Callable[[Redis], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_module, "RETRY_SECONDS", 1.0)
    windows = Windows(redis_storage(redis.url))
    assert counted(windows, 5) == 5
    fail(redis)
    assert seconds(lambda: counted(windows, 1)) < 8 * TIMEOUT
    assert windows._is_failing
    assert seconds(lambda: counted(windows, 100)) < 1
    redis.kill()
    redis.start()
    time.sleep(1.1)
    assert counted(windows, 2 * LIMIT) == LIMIT
    assert not windows._is_failing


def test_a_connection_that_has_ended_meanwhile_is_opened_again(redis: Redis) -> None:
    windows = Windows(redis_storage(redis.url))
    counted(windows, 1)
    redis.kill()
    redis.start()
    assert counted(windows, 2 * LIMIT) == LIMIT
    assert not windows._is_failing


def test_nobody_listens(redis: Redis) -> None:
    redis.kill()
    windows = Windows(redis_storage(redis.url))
    assert counted(windows, 2 * LIMIT) == LIMIT


@pytest.fixture
def gateway(redis: Redis, tmp_path: Path) -> Iterator[Server]:
    """gunicorn with two workers; no model is asked."""
    configuration = write_configuration(tmp_path / "models.json", {})
    environment = {
        "API_KEYS": KEY,
        "KEY_REQUESTS_PER_MINUTE": str(LIMIT),
        "RATE_LIMIT_STORAGE": redis.url,
    }
    with Gateway(configuration, tmp_path / "log", environment).running() as gateway:
        yield gateway.server


def ask(server: Server) -> Answer:
    return server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"})


def test_workers_share_a_keys_requests(gateway: Server, redis: Redis) -> None:
    statuses = [ask(gateway).status for _ in range(2 * LIMIT)]
    assert statuses == [200] * LIMIT + [429] * LIMIT
    redis.pause()
    # Each worker loses a moment once, and then counts for itself.
    assert seconds(lambda: [ask(gateway) for _ in range(LIMIT)]) < 5
    assert ask(gateway).status in (200, 429)
    assert gateway.log_text().count("limits are counted in each process") in (1, 2)
    assert gateway.get("/health").status == 200
    assert KEY not in gateway.log_text()
