"""What can be typed in a conversation beside questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.commands.chat.conversation import Conversation, Server
from app.terminal.escapes import printable
from app.terminal.failures import CommandError

HELP = """/help          this list
/clear         forget what was said
/model         the server's models; /model NAME goes on with another
/system        the system prompt; /system TEXT sets it, /system - removes it
/retry         another answer to the last question
/quit          leave, as Ctrl-D does
Ctrl-C stops an answer. A line that ends with \\ goes on in the next.
A question that begins with / is written with a space in front."""
MARK = {True: "*", False: " "}


class Leave(Exception):
    """The end of the conversation."""


class SlashCommands:
    """Runs them on a conversation; `answer` asks the model again."""

    def __init__(
        self, server: Server, conversation: Conversation, answer: Callable[[], None]
    ) -> None:
        self._server = server
        self._conversation = conversation
        self._answer = answer
        self._known: Mapping[str, Callable[[str], None]] = {
            "/help": lambda _: print(HELP),
            "/clear": self._clear,
            "/model": self._model,
            "/system": self._system,
            "/retry": self._retry,
            "/quit": self._leave,
            "/exit": self._leave,
        }

    def run(self, line: str) -> None:
        """Raises CommandError where it cannot be done, and Leave."""
        name, _, rest = line.strip().partition(" ")
        if name not in self._known:
            raise CommandError(f"there is no command {name}", advice="/help lists them.")
        self._known[name](rest.strip())

    def _clear(self, _: str) -> None:
        self._conversation.clear()
        print("What was said is forgotten.")

    def _model(self, name: str) -> None:
        models = self._server.models()
        if name and name not in [model.name for model in models]:
            raise CommandError(f"the server has no model {name}", advice="/model lists them.")
        if name:
            self._conversation.model = name
        for model in models:
            mark = MARK[model.name == self._conversation.model]
            print(printable(f"{mark} {model.name}  {model.task or ''}".rstrip()))

    def _system(self, text: str) -> None:
        if text:
            self._conversation.system = None if text == "-" else text
        print(f"System prompt: {printable(self._conversation.system or '(none)')}")

    def _retry(self, _: str) -> None:
        question = self._conversation.take_back()
        if question is None:
            raise CommandError("nothing has been asked yet")
        print(f"> {printable(question)}")
        self._conversation.ask(question)
        self._answer()

    def _leave(self, _: str) -> None:
        raise Leave
