"""API keys with their limits, from the lines of a key file."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import ConfigurationError, Problem
from app.key_digests import digest_of, read_key

NAME = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")
# All of them are compared with every request's key, 0.06 µs each.
MAX_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None for no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is known by its digest alone; `name` is for the log."""

    digest: bytes = field(repr=False)
    name: str
    limits: Limits


def find_key(keys: Iterable[ApiKey], presented: bytes) -> ApiKey | None:
    """The key that was presented; always after as many comparisons as there are keys."""
    digest = digest_of(presented)
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found


def parse_keys(text: str, place: str, defaults: Limits) -> tuple[ApiKey, ...]:
    """The keys of a file: on each line a key, and behind it words like `name=ci`.

    `place` is how messages name the file. `defaults` are the limits that a line does not give.

    Raises:
        ConfigurationError: every mistake with its line, none with a key.
    """
    reader = _Reader(place, defaults)
    for number, line in enumerate(text.split("\n"), start=1):
        reader.read(number, line)
    if len(reader.keys) > MAX_KEYS:
        reader.problems.append(Problem(place, f"has more than {MAX_KEYS:,} keys"))
    if reader.problems:
        raise ConfigurationError(reader.problems)
    return tuple(reader.keys.values())


class _Reader:
    def __init__(self, place: str, defaults: Limits) -> None:
        self._place = place
        self._defaults = defaults
        self._lines: dict[bytes, int] = {}
        self.keys: dict[bytes, ApiKey] = {}
        self.problems: list[Problem] = []

    def read(self, number: int, line: str) -> None:
        words = line.split()
        if not words or words[0].startswith("#"):
            return
        try:
            self._add(number, words)
        except ValueError as error:
            self.problems.append(Problem(f"{self._place}, line {number}", str(error)))

    def _add(self, number: int, words: Sequence[str]) -> None:
        digest = read_key(words[0])
        first = self._lines.setdefault(digest, number)
        if first != number:
            raise ValueError(f"the key of line {first} is here again; keep one of the two")
        options = _options(words[1:])
        name = options.pop("name", f"line-{number}")
        self.keys[digest] = ApiKey(digest, name, replace(self._defaults, **options))


def _options(words: Sequence[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in OPTIONS:
            # The word may be a key that stands in the wrong place.
            raise ValueError(f"behind the key only these may stand: {', '.join(_forms())}")
        if name in options:
            raise ValueError(f"{name} is here twice")
        options[name] = OPTIONS[name](name, value)
    return options


def _forms() -> Iterator[str]:
    return (f"{name}=…" for name in OPTIONS)


def _name(option: str, value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"{option} must have 1 to 64 of A-Z a-z 0-9 _ . : @ -")
    return value


def _limit(option: str, value: str) -> int | None:
    if value == "none":
        return None
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) < 1:
        raise ValueError(f"{option} must be a whole number, 1 or more, or none")
    return int(value)


OPTIONS: Mapping[str, Callable[[str, str], Any]] = {
    "name": _name,
    "requests_per_minute": _limit,
    "tokens_per_minute": _limit,
    "concurrent_requests": _limit,
}
