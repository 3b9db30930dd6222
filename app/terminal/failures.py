"""A failure that is told to who typed the command."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_CONFIGURATION = 2
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """What went wrong, in a sentence, and in another what to do about it.

    The command ends with the exit status `code`.
    """

    def __init__(self, message: str, *, advice: str = "", code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.code = code
