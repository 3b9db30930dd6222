"""A question and its answer, for pipes and scripts."""

from __future__ import annotations

import sys

from app.commands.chat.answer_reader import AnswerReader
from app.commands.chat.conversation import Conversation, Server
from app.terminal.escapes import one_line
from app.terminal.failures import EXIT_CONFIGURATION, CommandError


def answer_one(server: Server, conversation: Conversation, question: str) -> int:
    """Write the answer, and nothing else, to standard output.

    Raises:
        CommandError: there is no question, or no answer.
    """
    if not question.strip():
        raise CommandError("there is no question", code=EXIT_CONFIGURATION)
    conversation.ask(question.strip("\n"))
    connection = server.connection()
    reader = AnswerReader(sys.stdout, shows_reasoning=False)
    try:
        reader.read(conversation.chunks(connection))
    finally:
        connection.close()
        if reader.text and not reader.text.endswith("\n"):
            print(flush=True)
    if not reader.text:
        raise CommandError(f"the model {one_line(conversation.model)} said nothing")
    return 0
