"""Numbers as arguments. Each raises argparse.ArgumentTypeError with what is allowed."""

from __future__ import annotations

import argparse
import math

from app import setting_casts as casts


def seconds(text: str) -> float:
    """A time that can be waited for."""
    try:
        return casts.seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, but is {text!r}") from None


def finite(text: str) -> float:
    """A number that JSON has."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return number
