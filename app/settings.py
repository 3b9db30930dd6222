"""One table of settings: its rows are the environment variables, the flags and the documentation.

Read in gunicorn's master before gevent patches anything, so only the standard library is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import setting_casts as casts
from app.errors import ConfigurationError, Problem
from app.key_digests import read_keys

_PACKAGE = Path(__file__).resolve().parent
_BUNDLED = _PACKAGE / "bundled"
# A wheel has the files that lie beside `app` in the repository in a folder of the package: see
# setup.cfg.
IS_INSTALLED = _BUNDLED.is_dir()
PROJECT_ROOT = _BUNDLED if IS_INSTALLED else _PACKAGE.parent

# Set once by gunicorn's master, so that every worker tells the same start, in Unix seconds.
STARTED_AT = "OPENAI_API_STARTED_AT"


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
    Setting("host", "BIND_HOST", "localhost", casts.text, "address to listen on", ("--host",)),
    Setting("port", "PORT", 5100, casts.port, "port to listen on", ("--port",)),
    Setting(
        "config_file",
        "CONFIG_FILE",
        PROJECT_ROOT / "model_config.json",
        casts.path,
        "the file that lists the models",
        ("--config-file",),
    ),
    Setting("workers", "WORKERS", 2, casts.count, "gunicorn worker processes", ("--workers",)),
    Setting(
        "server_log_level",
        "SERVER_LOG_LEVEL",
        "info",
        casts.server_log_level,
        "log level of the HTTP server; trace is read as debug",
        ("--log-level", "--uvicorn-log-level"),
    ),
    Setting(
        "response_role",
        "RESPONSE_ROLE",
        "assistant",
        casts.text,
        "the role that chat answers carry",
        ("--response-role",),
    ),
    Setting(
        "is_verbose",
        "VERBOSE",
        False,
        casts.flag,
        "log more about language models and Triton; prompts are never logged",
        ("--verbose",),
    ),
    Setting("log_level", "LOG_LEVEL", "INFO", casts.log_level, "the application's own log level"),
    Setting(
        "log_format",
        "LOG_FORMAT",
        "auto",
        casts.log_format,
        "form of the log's lines: json, text, or auto, which is text on a terminal",
    ),
    Setting(
        "log_prompts",
        "LOG_PROMPTS",
        False,
        casts.flag,
        "log the beginning of what is asked and answered, which is otherwise never logged",
    ),
    Setting(
        "tracing",
        "TRACING",
        False,
        casts.flag,
        "send traces by OpenTelemetry, to where its own variables (OTEL_...) say",
    ),
    Setting("max_body_bytes", "MAX_BODY_BYTES", 16 * 2**20, casts.count, "largest body, in bytes"),
    Setting(
        "max_bodies_bytes",
        "MAX_BODIES_BYTES",
        256 * 2**20,
        casts.count,
        "bytes of all request bodies that a worker holds at once, but for 64 KiB of each",
    ),
    Setting(
        "body_timeout",
        "BODY_TIMEOUT",
        30.0,
        casts.seconds,
        "seconds that a request body, or a write that stalls, may take",
    ),
    Setting(
        "keep_alive_interval",
        "KEEP_ALIVE_INTERVAL",
        15.0,
        casts.seconds,
        "seconds of silence after which a stream sends a comment",
    ),
    Setting(
        "graceful_timeout",
        "GRACEFUL_TIMEOUT",
        35.0,
        casts.seconds,
        "seconds that open requests get to finish when the server stops",
    ),
    Setting(
        "drain_delay",
        "DRAIN_DELAY",
        0.0,
        casts.delay,
        "seconds for which a server that is to stop still serves, while /readyz says 503",
    ),
    Setting(
        "worker_connections",
        "WORKER_CONNECTIONS",
        2048,
        casts.count,
        "connections of a worker; 9 of 10 may be requests other than for health and models",
    ),
    Setting(
        "cl100k_file",
        "CL100K_FILE",
        PROJECT_ROOT / "cl100k_base.tiktoken",
        casts.path,
        "OpenAI's table of tokens, for models whose token_input is cl100k",
    ),
    Setting(
        "grpc_client",
        "GRPC_CLIENT",
        "sockets",
        casts.grpc_client,
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
    Setting(
        "api_keys_file",
        "API_KEYS_FILE",
        None,
        casts.changing_path,
        "a file with one key on each line",
    ),
    Setting(
        "key_requests_per_minute",
        "KEY_REQUESTS_PER_MINUTE",
        None,
        casts.count,
        "requests that a key may make in a minute",
    ),
    Setting(
        "key_tokens_per_minute",
        "KEY_TOKENS_PER_MINUTE",
        None,
        casts.count,
        "tokens that a key may use in a minute",
    ),
    Setting(
        "key_concurrent_requests",
        "KEY_CONCURRENT_REQUESTS",
        None,
        casts.count,
        "requests that a key may have open at once, in each worker",
    ),
    Setting(
        "rate_limit_storage",
        "RATE_LIMIT_STORAGE",
        casts.MEMORY_STORAGE,
        casts.storage,
        "where the limits per minute are counted: in each worker, or in a Redis (redis://...)",
        is_secret=True,
    ),
    Setting(
        "metrics_bind",
        "METRICS_BIND",
        None,
        casts.address,
        "address and port for GET /metrics and probes; the server's own then has no metrics",
    ),
    Setting(
        "has_vllm_metrics",
        "VLLM_METRICS",
        True,
        casts.flag,
        "GET /metrics also has vLLM's names for what vLLM counts too",
    ),
    Setting(
        "has_playground",
        "PLAYGROUND",
        True,
        casts.flag,
        "whether there is a page at / to try the models in a browser",
    ),
    Setting(
        "cors_origins",
        "CORS_ORIGINS",
        None,
        casts.origins,
        "origins whose pages may call the server, separated by commas; * for any",
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
    log_format: str
    log_prompts: bool
    tracing: bool
    max_body_bytes: int
    max_bodies_bytes: int
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
    has_vllm_metrics: bool
    has_playground: bool
    cors_origins: tuple[str, ...] | None

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
