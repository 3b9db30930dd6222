"""`openai-api chat` on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from demo.counters import Counters
from tests.commands.other_server import Event, OtherServer, last_event, text_event
from tests.commands.running import CTRL_C, CTRL_D, terminal
from tests.live.http import Server
from tests.live.waiting import wait_until

SLOW_MODEL = "ft-slow"


def test_a_conversation_with_the_demo(gateway: Server) -> None:
    with terminal(
        "chat", "--url", gateway.url, "--model", "demo-chat", "--temperature", "0"
    ) as screen:
        screen.expect("/help lists commands")
        screen.line("How do I start the server?")
        screen.expect("listens on port 5100.")
        screen.expect("16 tokens in, 30 out")
        screen.expect("first after")
        screen.line("Hello!")
        screen.expect(" out, ")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0


def test_what_was_said_is_sent_again(other: OtherServer) -> None:
    with terminal("chat", "--url", other.url) as screen:
        for question in ("first", "second"):
            screen.expect("> ")
            screen.line(question)
            screen.expect("Hello you.")
            screen.expect("pieces")
        screen.expect("> ")
        screen.line("/quit")
        assert screen.code() == 0
    assert other.requests[-1]["messages"] == [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "Hello you."},
        {"role": "user", "content": "second"},
    ]


def test_ctrl_c_stops_the_answer_and_not_the_talk(other: OtherServer) -> None:
    more = threading.Event()

    def answer(body: dict[str, Any]) -> Iterator[Event]:
        if body["messages"][-1]["content"] == "short":
            yield from (text_event("Short."), last_event())
            return
        yield text_event("It begins")
        # Until the client is gone there is always a little more.
        while not more.wait(0.02):
            yield text_event(".")

    other.answer = answer
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        screen.line("long")
        screen.expect("It begins")
        screen.type(CTRL_C)
        screen.expect("stopped")
        assert other.gone.wait(60), "the server was not told"
        more.set()
        screen.expect("> ")
        screen.line("short")
        screen.expect("Short.")
        screen.expect_prompt()
        screen.type(CTRL_C)
        screen.expect("Ctrl-D leaves.")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    said = other.requests[-1]["messages"]
    assert said[1]["content"].startswith("It begins")


def test_ctrl_c_cancels_in_triton(gateway: Server, counters: Callable[[str], Counters]) -> None:
    before = counters(SLOW_MODEL)
    # Without chance the story is a long one.
    asked = ("--model", SLOW_MODEL, "--temperature", "0")
    with terminal("chat", "--url", gateway.url, *asked) as screen:
        screen.expect("> ")
        screen.line("Tell me a short story.")
        wait_until(lambda: counters(SLOW_MODEL).tokens > before.tokens, "an answer")
        screen.type(CTRL_C)
        screen.expect("stopped")
        wait_until(lambda: counters(SLOW_MODEL).cancelled > before.cancelled, "the end in Triton")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0


def test_commands(other: OtherServer) -> None:
    with terminal("chat", "--url", other.url, "--system", "Be kind.") as screen:
        for line, told in (
            ("/help", "/retry"),
            ("/retry", "nothing has been asked yet"),
            ("/model", "* other-model"),
            ("/model absent", "the server has no model absent"),
            ("/model second-model", "* second-model"),
            ("/system", "System prompt: Be kind."),
            ("/system Be brief.", "System prompt: Be brief."),
            ("/nonsense", "there is no command /nonsense"),
            ("one", "Hello you."),
            ("/retry", "> one"),
            ("/clear", "is forgotten"),
            ("/system -", "System prompt: (none)"),
            ("two \\", "…"),
            ("lines", "Hello you."),
        ):
            if line != "lines":
                screen.expect("> ")
            screen.line(line)
            screen.expect(told)
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    one = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "one"}]
    asked = [(request["model"], request["messages"]) for request in other.requests]
    assert asked == [
        ("second-model", one),
        ("second-model", one),
        ("second-model", [{"role": "user", "content": "two \nlines"}]),
    ]


def test_errors_do_not_end_the_talk(other: OtherServer) -> None:
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        other.refuse = lambda _: (500, {"error": {"message": "it broke"}})
        screen.line("first")
        screen.expect("the server answered 500: it broke")
        other.refuse = lambda _: None
        screen.expect("> ")
        screen.line("/retry")
        screen.expect("Hello you.")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    # The question that was not answered is asked once, not twice in a row.
    assert other.requests[-1]["messages"] == [{"role": "user", "content": "first"}]


def test_a_question_that_failed_leaves_the_same_one_answered_before(other: OtherServer) -> None:
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        screen.line("hi")
        screen.expect("Hello you.")
        screen.expect("> ")
        other.refuse = lambda _: (500, {"error": {"message": "it broke"}})
        screen.line("hi")
        screen.expect("it broke")
        other.refuse = lambda _: None
        for _ in range(2):
            screen.expect("> ")
            screen.line("/retry")
            screen.expect("Hello you.")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    hi = {"role": "user", "content": "hi"}
    both = [hi, {"role": "assistant", "content": "Hello you."}, hi]
    assert [request["messages"] for request in other.requests[1:]] == [both, both, both]


def test_reasoning_is_shown_but_not_sent_back(other: OtherServer) -> None:
    thought = {"choices": [{"delta": {"reasoning_content": "Hmm, let me think."}}]}
    other.answer = lambda _: [thought, text_event("Four."), last_event("length")]
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        screen.line("2 + 2?")
        screen.expect("Hmm, let me think.")
        screen.expect("Four.")
        screen.expect("cut at the longest answer")
        screen.expect("> ")
        screen.line("Sure?")
        screen.expect("Four.")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    assert other.requests[-1]["messages"][1] == {"role": "assistant", "content": "Four."}


def test_a_model_cannot_write_escape_sequences(other: OtherServer) -> None:
    other.answer = lambda _: [text_event("\x1b]0;owned\x07A\x1b[8mB"), last_event()]
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        screen.line("Hi")
        screen.expect("␛]0;owned␇A␛[8mB")
        screen.expect("> ")
        screen.type(CTRL_D)
        screen.code()
        assert "\x1b]0;" not in screen.seen
        assert "\x1b[8m" not in screen.seen


def test_lines_can_be_edited(other: OtherServer) -> None:
    with terminal("chat", "--url", other.url) as screen:
        screen.expect("> ")
        left = "\x1b[D"
        screen.line(f"wrld{left * 3}o")
        screen.expect("Hello you.")
        screen.expect("> ")
        screen.type(CTRL_D)
        assert screen.code() == 0
    assert other.requests[0]["messages"][0]["content"] == "world"
