"""Asking on a terminal for what was not given; without one, saying what is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from app.terminal.escapes import one_line, printable
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.terminal.styles import styled

YES = ("", "y", "yes")


class Questions:
    """Asks only if it `may_ask`; otherwise a default is taken, or its lack is an error."""

    def __init__(self, *, may_ask: bool) -> None:
        self.may_ask = may_ask

    def text(self, label: str, flag: str, default: str = "") -> str:
        """Raises CommandError where nobody can be asked and there is no default."""
        if not self.may_ask:
            return default or self._missing(label, flag)
        shown = f" [{one_line(default)}]" if default else ""
        while True:
            given = _answer(f"{label}{shown}: ") or default
            if given:
                return given

    def number(self, label: str, flag: str) -> int:
        """Likewise, a number that may be negative."""
        while True:
            given = self.text(label, flag)
            if given.removeprefix("-").isdecimal():
                return int(given)
            print("A number, please.")

    def choice(self, label: str, flag: str, options: Sequence[str], default: str = "") -> str:
        """One of the options, by its number or its name; without a default it must be given."""
        if not self.may_ask:
            return default or self._missing(
                f"{label}, one of {', '.join(map(one_line, options))}", flag
            )
        for number, option in enumerate(options, 1):
            print(f"  {number:>2}  {one_line(option)}")
        while True:
            given = self.text(label, flag, default)
            if given in options:
                return given
            if given.isdecimal() and 0 < int(given) <= len(options):
                return options[int(given) - 1]
            print("One of the list, please, by its number or its name.")

    def confirm(self, question: str) -> bool:
        """Whether it is to be done; yes where nobody can be asked."""
        return not self.may_ask or _answer(f"{question} [Y/n]: ").lower() in YES

    def say(self, text: str) -> None:
        """Something to know. Standard output is the entry's where it is only shown."""
        print(printable(text), file=sys.stdout if self.may_ask else sys.stderr)

    def _missing(self, label: str, flag: str) -> str:
        raise CommandError(
            f"{flag} is missing: {label}",
            advice="Give it, or start this on a terminal without --yes to be asked.",
            code=EXIT_CONFIGURATION,
        )


def _answer(prompt: str) -> str:
    try:
        return input(styled(printable(prompt), sys.stdout, "bold")).strip()
    except EOFError:
        print()
        raise CommandError("nothing is written", code=EXIT_CONFIGURATION) from None
