"""Counts that processes and hosts share in Redis."""

from __future__ import annotations

from limits.storage import RedisStorage
from redis import BlockingConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

# Seconds that a request may lose when Redis does not answer.
TIMEOUT = 0.25
MAX_CONNECTIONS = 32


def redis_storage(url: str) -> RedisStorage:
    """The storage at `url`; nothing is connected yet.

    Raises:
        ValueError: it is no address of a Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        # A kept connection may have ended since; an answer that does not come is not waited for
        # twice.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return RedisStorage(url, connection_pool=pool, key_prefix="openai_api", wrap_exceptions=True)
