"""Strict fields: every message says what was given and what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson
from marshmallow import ValidationError, fields

MAX_SHOWN = 64
DIGITS = re.compile(r"[0-9]{1,18}")

BOOLEANS: Mapping[str, bool] = {"true": True, "false": False}


class UnsupportedMessage(str):
    """An error message that answers `unsupported_parameter` instead of a plain 400."""

    __slots__ = ()


def shown(value: Any) -> str:
    """The value as JSON, cut to a length that fits an error message."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        text = str(value) if isinstance(value, int) else type(value).__name__
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def mismatch(expected: str, value: Any) -> ValidationError:
    """The error of a value that is not what the field takes."""
    given = "is missing or null" if value is None else f"was {shown(value)}"
    return ValidationError(f"must be {expected}, but {given}")


def unsupported(allowed: Collection[Any], given: Any) -> ValidationError:
    """The error of a known value that nothing here can honour; `allowed` are those to use."""
    choices = ", ".join(map(shown, allowed))
    use = f"one of {choices}" if len(allowed) > 1 else choices
    text = f"is not supported here: use {use}; it was {shown(given)}"
    return ValidationError([UnsupportedMessage(text)])


def nested(name: Any, error: ValidationError) -> ValidationError:
    """The error, one step further down in the request."""
    messages = error.messages
    return ValidationError({name: messages})


@contextmanager
def within(name: Any) -> Iterator[None]:
    """Parsing of what is in the field or at the index `name`: its errors say where they are."""
    try:
        yield
    except ValidationError as error:
        raise nested(name, error) from None


class StrictField(fields.Field[Any]):
    """A field whose null and absence have clear messages. Subclasses give `parse`."""

    default_error_messages = {  # noqa: RUF012  # marshmallow reads this attribute, and types it so
        "required": "is required",
        "null": "must not be null",
    }

    def parse(self, value: Any) -> Any:
        """The value in its own type, or a ValidationError."""
        raise NotImplementedError

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        return self.parse(value)


def optional(field: type[StrictField], *args: Any, default: Any = None, **kwargs: Any) -> Any:
    """A field that may be absent or null; both give the default."""
    return OptionalField(field(*args, **kwargs), default)


class OptionalField(StrictField):
    """What `inner` takes, or null, which gives the default."""

    def __init__(self, inner: StrictField, default: Any) -> None:
        super().__init__(allow_none=True, load_default=default)
        self.inner = inner
        self.default = default

    def deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        loaded = super().deserialize(value, *args, **kwargs)
        return self.default if loaded is None else loaded

    def parse(self, value: Any) -> Any:
        return self.inner.parse(value)


class Text(StrictField):
    """A string of at most `longest` characters."""

    def __init__(self, *, longest: int | None = None, shortest: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest
        self.shortest = shortest

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise mismatch("a string", value)
        if len(value) < self.shortest:
            raise ValidationError("must not be empty")
        if self.longest is not None and len(value) > self.longest:
            raise ValidationError(
                f"must have at most {self.longest} characters, but has {len(value)}"
            )
        return value


class Flag(StrictField):
    """A boolean, or the strings "true" and "false" that some clients send for one."""

    def parse(self, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in BOOLEANS:
            return BOOLEANS[value]
        raise mismatch("true or false", value)


class Number(StrictField):
    """A finite number within a range; a number above `above` where no minimum is allowed."""

    noun = "a number"

    def __init__(
        self,
        *,
        minimum: float | None = None,
        maximum: float | None = None,
        above: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.minimum = minimum
        self.maximum = maximum
        self.above = above

    @property
    def expected(self) -> str:
        """The allowed values in words."""
        if self.minimum is not None and self.maximum is not None:
            return f"{self.noun} between {self.minimum} and {self.maximum}"
        if self.minimum is not None:
            return f"{self.noun}, {self.minimum} or more"
        if self.above is not None:
            top = "" if self.maximum is None else f", at most {self.maximum}"
            return f"{self.noun} above {self.above}{top}"
        return self.noun

    def parse(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise mismatch(self.expected, value)
        self._check_range(value)
        return float(value)

    def _check_range(self, value: float) -> None:
        is_allowed = (
            -math.inf < value < math.inf
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        )
        if not is_allowed:
            raise mismatch(self.expected, value)


class Integer(Number):
    """A whole number; 41.0 is one, 41.5 and true are not."""

    noun = "an integer"

    def __init__(self, *, may_be_string: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.may_be_string = may_be_string

    def parse(self, value: Any) -> int:
        if self.may_be_string and isinstance(value, str) and DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise mismatch(self.expected, value)
        self._check_range(value)
        return value


class Choice(StrictField):
    """One of some strings."""

    def __init__(self, *choices: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def parse(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise mismatch("one of " + ", ".join(map(shown, self.choices)), value)
        return value


class Items(StrictField):
    """A list of 1 to `most` items, each parsed by `item`; gives a tuple."""

    def __init__(self, item: StrictField, *, most: int, least: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.item = item
        self.most = most
        self.least = least

    def parse(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise mismatch("a list", value)
        # Lengths come first, so that a huge list costs nothing (CVE-2025-68480).
        check_length(value, self.least, self.most)
        return tuple(each(value, self.item.parse))


class Anything(StrictField):
    """A value that is accepted as it is."""

    def parse(self, value: Any) -> Any:
        return value


def check_length(value: Sequence[Any], least: int, most: int) -> None:
    """Raise unless the list has between `least` and `most` items."""
    if len(value) < least:
        raise ValidationError("must not be empty")
    if len(value) > most:
        raise ValidationError(f"must have at most {most} items, but has {len(value)}")


def each(values: Sequence[Any], parse: Callable[[Any], Any]) -> list[Any]:
    """Parse every item; the error of the first bad one carries its index."""
    parsed: list[Any] = []
    try:
        for value in values:
            parsed.append(parse(value))
    except ValidationError as error:
        raise nested(len(parsed), error) from None
    return parsed
