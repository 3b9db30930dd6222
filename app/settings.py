"""One table of settings: its rows are the environment variables, the flags and the documentation.

Read in gunicorn's master before gevent patches anything, so only the standard library is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, Problem
from app.key_digests import read_keys

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Set once by gunicorn's master, so that every worker tells the same start, in Unix seconds.
STARTED_AT = "OPENAI_API_STARTED_AT"

LOG_LEVELS = ("CRITICAL", "FATAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
SERVER_LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
GRPC_CLIENTS = ("sockets", "grpcio")
MEMORY_STORAGE = "memory://"
SHARED_STORAGES = ("redis://", "rediss://")
TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser().resolve()


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError("must be a port number between 1 and 65535")
    return int(value)


def _address(value: str) -> str | None:
    host, _, port = value.rpartition(":")
    if not value.strip():
        return None
    if not host or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise ValueError("must be an address and a port, as 127.0.0.1:9100 or [::1]:9100")
    return f"{host}:{_port(port)}"


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise ValueError("must be a whole number, 1 or more")
    return int(value)


def _delay(value: str) -> float:
    return _seconds(value) if value.strip("0.") else 0.0


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ValueError("must be a number of seconds above 0")
    return seconds


def _flag(value: str) -> bool:
    try:
        return TRUTHS[value.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _log_level(value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.upper()


def _grpc_client(value: str) -> str:
    if value not in GRPC_CLIENTS:
        raise ValueError(f"must be one of {', '.join(GRPC_CLIENTS)}")
    return value


def _storage(value: str) -> str:
    if value != MEMORY_STORAGE and not value.startswith(SHARED_STORAGES):
        raise ValueError(f"must be {MEMORY_STORAGE}, or begin with {' or '.join(SHARED_STORAGES)}")
    return value


def _server_log_level(value: str) -> str:
    level = {"trace": "debug"}.get(value.lower(), value.lower())
    if level not in SERVER_LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(SERVER_LOG_LEVELS)} or trace")
    return level


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `cast` turns the variable's text into the value and says what is allowed.

    A `default` of None stands for what is not set. What a secret one held is never told.
    """

    name: str
    env: str
    default: Any
    cast: Callable[[str], Any]
    help: str
    flags: tuple[str, ...] = ()
    is_secret: bool = False

    @property
    def label(self) -> str:
        """How messages name it: by its flag, and by its variable."""
        return f"{self.flags[0]} (or {self.env})" if self.flags else self.env


TABLE: tuple[Setting, ...] = (
    Setting("host", "BIND_HOST", "localhost", _text, "address to listen on", ("--host",)),
    Setting("port", "PORT", 5100, _port, "port to listen on", ("--port",)),
    Setting(
        "config_file",
        "CONFIG_FILE",
        PROJECT_ROOT / "model_config.json",
        _path,
        "the file that lists the models",
        ("--config-file",),
    ),
    Setting("workers", "WORKERS", 2, _count, "gunicorn worker processes", ("--workers",)),
    Setting(
        "server_log_level",
        "SERVER_LOG_LEVEL",
        "info",
        _server_log_level,
        "log level of the HTTP server; trace is read as debug",
        ("--log-level", "--uvicorn-log-level"),
    ),
    Setting(
        "response_role",
        "RESPONSE_ROLE",
        "assistant",
        _text,
        "the role that chat answers carry",
        ("--response-role",),
    ),
    Setting(
        "is_verbose",
        "VERBOSE",
        False,
        _flag,
        "log more about language models and Triton; prompts are never logged",
        ("--verbose",),
    ),
    Setting("log_level", "LOG_LEVEL", "INFO", _log_level, "the application's own log level"),
    Setting(
        "max_body_bytes", "MAX_BODY_BYTES", 16 * 2**20, _count, "largest request body, in bytes"
    ),
    Setting(
        "body_timeout",
        "BODY_TIMEOUT",
        30.0,
        _seconds,
        "seconds that a request body, or a write that stalls, may take",
    ),
    Setting(
        "keep_alive_interval",
        "KEEP_ALIVE_INTERVAL",
        15.0,
        _seconds,
        "seconds of silence after which a stream sends a comment",
    ),
    Setting(
        "graceful_timeout",
        "GRACEFUL_TIMEOUT",
        35.0,
        _seconds,
        "seconds that open requests get to finish when the server stops",
    ),
    Setting(
        "drain_delay",
        "DRAIN_DELAY",
        0.0,
        _delay,
        "seconds for which a server that is to stop still serves, while /readyz says 503",
    ),
    Setting(
        "worker_connections",
        "WORKER_CONNECTIONS",
        2048,
        _count,
        "connections of a worker; 9 of 10 may be requests other than for health and models",
    ),
    Setting(
        "cl100k_file",
        "CL100K_FILE",
        PROJECT_ROOT / "cl100k_base.tiktoken",
        _path,
        "OpenAI's table of tokens, for models whose token_input is cl100k",
    ),
    Setting(
        "grpc_client",
        "GRPC_CLIENT",
        "sockets",
        _grpc_client,
        "what speaks gRPC with Triton: sockets, which is the server's own and fast, or grpcio",
    ),
    Setting(
        "api_keys",
        "API_KEYS",
        None,
        read_keys,
        "keys that may use the server, separated by commas; without any it is open to all",
        is_secret=True,
    ),
    Setting("api_keys_file", "API_KEYS_FILE", None, _path, "a file with one key on each line"),
    Setting(
        "key_requests_per_minute",
        "KEY_REQUESTS_PER_MINUTE",
        None,
        _count,
        "requests that a key may make in a minute",
    ),
    Setting(
        "key_tokens_per_minute",
        "KEY_TOKENS_PER_MINUTE",
        None,
        _count,
        "tokens that a key may use in a minute",
    ),
    Setting(
        "key_concurrent_requests",
        "KEY_CONCURRENT_REQUESTS",
        None,
        _count,
        "requests that a key may have open at once, in each worker",
    ),
    Setting(
        "rate_limit_storage",
        "RATE_LIMIT_STORAGE",
        MEMORY_STORAGE,
        _storage,
        "where the limits per minute are counted: in each worker, or in a Redis (redis://...)",
        is_secret=True,
    ),
    Setting(
        "metrics_bind",
        "METRICS_BIND",
        None,
        _address,
        "address and port for GET /metrics alone, which then is not on the server's own",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of one process. The fields are the table's names."""

    host: str
    port: int
    config_file: Path
    workers: int
    server_log_level: str
    response_role: str
    is_verbose: bool
    log_level: str
    max_body_bytes: int
    body_timeout: float
    keep_alive_interval: float
    graceful_timeout: float
    drain_delay: float
    worker_connections: int
    cl100k_file: Path
    grpc_client: str
    api_keys: tuple[bytes, ...] | None = field(repr=False)
    api_keys_file: Path | None
    key_requests_per_minute: int | None
    key_tokens_per_minute: int | None
    key_concurrent_requests: int | None
    rate_limit_storage: str = field(repr=False)
    metrics_bind: str | None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the environment.

        Raises:
            ConfigurationError: every variable with a bad value, at once.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for setting in TABLE:
            given = environ.get(setting.env)
            try:
                values[setting.name] = setting.default if given is None else setting.cast(given)
            except ValueError as error:
                told = str(error) if setting.is_secret else f"{error}, but is {given!r}"
                problems.append(Problem(setting.label, told))
        if not problems and (values["metrics_bind"] or "").endswith(f":{values['port']}"):
            problems.append(Problem("METRICS_BIND", "must have another port than PORT"))
        if problems:
            raise ConfigurationError(problems)
        return cls(**values)
