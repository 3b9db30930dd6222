"""The texts of settings as values. Each function raises ValueError with what is allowed.

Read in gunicorn's master before gevent patches anything, so only the standard library is used.
"""

from __future__ import annotations

import re
from pathlib import Path

LOG_LEVELS = ("CRITICAL", "FATAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
SERVER_LOG_LEVELS = ("critical", "error", "warning", "info", "debug")
LOG_FORMATS = ("auto", "json", "text")
GRPC_CLIENTS = ("sockets", "grpcio")
MEMORY_STORAGE = "memory://"
SHARED_STORAGES = ("redis://", "rediss://")
# Pages of extensions and of desktop programs have schemes of their own.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")
TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}


def text(value: str) -> str:
    """Anything but nothing."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def path(value: str) -> Path:
    """A path, absolute from here on."""
    return Path(text(value)).expanduser().resolve()


def changing_path(value: str) -> Path:
    """An absolute path whose links are followed each time that it is read.

    In Kubernetes a secret's file is a link, and another one when the secret has changed.
    """
    return Path(text(value)).expanduser().absolute()


def port(value: str) -> int:
    """A TCP port."""
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError("must be a port number between 1 and 65535")
    return int(value)


def address(value: str) -> str | None:
    """`HOST:PORT`, None where nothing is given."""
    host, _, number = value.rpartition(":")
    if not value.strip():
        return None
    if not host or (":" in host and not (host[0] == "[" and host[-1] == "]")):
        raise ValueError("must be an address and a port, as 127.0.0.1:9100 or [::1]:9100")
    return f"{host}:{port(number)}"


def count(value: str) -> int:
    """1 or more."""
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise ValueError("must be a whole number, 1 or more")
    return int(value)


def delay(value: str) -> float:
    """Seconds, 0 or more."""
    try:
        return 0.0 if float(value) == 0 else seconds(value)
    except ValueError:
        raise ValueError("must be a number of seconds, 0 or more") from None


def seconds(value: str) -> float:
    """Seconds, more than 0."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise ValueError("must be a number of seconds above 0")
    return number


def flag(value: str) -> bool:
    """A truth."""
    try:
        return TRUTHS[value.strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def origins(value: str) -> tuple[str, ...] | None:
    """Origins as browsers write them, or `*`; None where nothing is given."""
    found = tuple(part.strip().lower() for part in value.split(",") if part.strip())
    for origin in found:
        if origin != "*" and ORIGIN.fullmatch(origin) is None:
            raise ValueError(
                "must be origins as https://app.example:8443, without a path or a slash at the end,"
                " separated by commas; or *"
            )
    return found or None


def log_level(value: str) -> str:
    """A level of the standard library's logging."""
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value.upper()


def log_format(value: str) -> str:
    """One of LOG_FORMATS."""
    if value.lower() not in LOG_FORMATS:
        raise ValueError(f"must be one of {', '.join(LOG_FORMATS)}")
    return value.lower()


def grpc_client(value: str) -> str:
    """One of GRPC_CLIENTS."""
    if value not in GRPC_CLIENTS:
        raise ValueError(f"must be one of {', '.join(GRPC_CLIENTS)}")
    return value


def storage(value: str) -> str:
    """Where limits are counted."""
    if value != MEMORY_STORAGE and not value.startswith(SHARED_STORAGES):
        raise ValueError(f"must be {MEMORY_STORAGE}, or begin with {' or '.join(SHARED_STORAGES)}")
    return value


def server_log_level(value: str) -> str:
    """A level of gunicorn."""
    level = {"trace": "debug"}.get(value.lower(), value.lower())
    if level not in SERVER_LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(SERVER_LOG_LEVELS)} or trace")
    return level
