"""A conversation on a terminal."""

from __future__ import annotations

import sys
from contextlib import suppress

from app.commands.chat.answer_reader import AnswerReader
from app.commands.chat.conversation import Conversation, Server
from app.commands.chat.slash_commands import Leave, SlashCommands
from app.terminal.escapes import printable
from app.terminal.failures import CommandError
from app.terminal.styles import is_coloured, styled

PROMPT = "> "
CONTINUED = "\\"


class Talk:
    """Reads lines, asks the model, writes its answers."""

    def __init__(self, server: Server, conversation: Conversation) -> None:
        self._server = server
        self._conversation = conversation
        self._slash = SlashCommands(server, conversation, self._answer)

    def run(self) -> int:
        """Until Ctrl-D or /quit; gives the exit code."""
        _use_line_editing()
        model, address = self._conversation.model, self._server.address
        _remark(f"{model} at {address}. /help lists commands, Ctrl-D leaves.")
        while True:
            try:
                self._turn(_read_question())
            except (EOFError, Leave):
                print()
                return 0
            except KeyboardInterrupt:
                print()
                _remark("Ctrl-D leaves.")
            except CommandError as error:
                _complain(error)

    def _turn(self, line: str) -> None:
        if not line.strip():
            return
        if line.startswith("/"):
            self._slash.run(line)
            return
        self._conversation.ask(line)
        self._answer()

    def _answer(self) -> None:
        """Ask for an answer to what was said, and show it; Ctrl-C stops it. Raises CommandError."""
        connection = self._server.connection()
        reader = AnswerReader(sys.stdout, shows_reasoning=True)
        is_stopped = False
        try:
            reader.read(self._conversation.chunks(connection))
        except KeyboardInterrupt:
            is_stopped = True
        finally:
            # Closing is what tells the server to stop.
            connection.close()
            self._conversation.keep(reader.text)
            print("" if reader.text.endswith("\n") else "\n", end="", flush=True)
        _remark(f"stopped; {reader.figures()}" if is_stopped else reader.figures())


def _read_question() -> str:
    """A line; one that ends with a backslash goes on in the next."""
    lines = [input(_prompt(PROMPT))]
    while lines[-1].endswith(CONTINUED):
        lines[-1] = lines[-1].removesuffix(CONTINUED)
        lines.append(input(_prompt("… ")))
    return "\n".join(lines)


def _prompt(text: str) -> str:
    if not is_coloured(sys.stdout):
        return text
    # What has no width stands between these two, so that the line editor counts right.
    return f"\x01\x1b[1;36m\x02{text}\x01\x1b[0m\x02"


def _use_line_editing() -> None:
    # Nothing is kept on disk: what was asked is nobody else's business.
    with suppress(ImportError):
        import readline

        readline.parse_and_bind("tab: self-insert")


def _remark(text: str) -> None:
    print(styled(printable(text), sys.stdout, "dim"))


def _complain(error: CommandError) -> None:
    print(styled(printable(error.message), sys.stdout, "red"))
    if error.advice:
        _remark(error.advice)
