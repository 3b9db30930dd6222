"""`openai-api chat` in pipes and scripts."""

from __future__ import annotations

import pytest

from tests.applications import closed_port
from tests.commands.other_server import OtherServer, last_event, text_event
from tests.commands.running import run
from tests.live.http import Server

QUESTION = "How do I start the server?"


def test_a_question_is_answered_by_the_demo(gateway: Server) -> None:
    found = run(
        "chat", "--url", gateway.url, "--model", "demo-chat", "--temperature", "0", QUESTION
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == (
        "Run `make run`, or `openai-api serve` if it is installed."
        " The server then listens on port 5100.\n"
    )


def test_a_question_from_a_pipe(gateway: Server) -> None:
    asked = ("chat", "--url", f"{gateway.url}/v1", "--model", "demo-chat", "--temperature", "0")
    found = run(*asked, given=f"{QUESTION}\n")
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("Run `make run`")


def test_the_request_is_what_any_server_takes(other: OtherServer) -> None:
    found = run(
        *("chat", "--url", other.url, "--system", "Be brief.", "--max-tokens", "5"),
        *("--top-p", "0.5", "--seed", "7", "Hi"),
        OPENAI_API_KEY="secret",
    )
    assert (found.returncode, found.stdout) == (0, "Hello you.\n"), found.stderr
    assert other.requests == [
        {
            "model": "other-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
            ],
            "top_p": 0.5,
            "max_tokens": 5,
            "seed": 7,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert other.headers[-1]["Authorization"] == "Bearer secret"


def test_the_key_is_taken_from_the_named_variable(other: OtherServer) -> None:
    found = run(
        "chat", "--url", other.url, "--key-env", "OTHER", "Hi", OTHER="k", OPENAI_API_KEY="o"
    )
    assert found.returncode == 0
    assert other.headers[-1]["Authorization"] == "Bearer k"


def test_the_address_is_taken_from_the_environment(other: OtherServer) -> None:
    assert run("chat", "Hi", OPENAI_BASE_URL=f"{other.url}/v1").stdout == "Hello you.\n"


def test_without_a_key_none_is_sent(other: OtherServer) -> None:
    assert run("chat", "--url", other.url, "Hi").returncode == 0
    assert "Authorization" not in other.headers[-1]


def test_a_server_that_knows_no_stream_options(other: OtherServer) -> None:
    def refuse(body: dict[str, object]) -> tuple[int, object] | None:
        known = "stream_options" not in body
        return None if known else (400, {"error": {"message": "unknown field stream_options"}})

    other.refuse = refuse
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (0, "Hello you.\n"), found.stderr
    assert len(other.requests) == 2


def test_a_server_that_does_not_stream(other: OtherServer) -> None:
    content = {"choices": [{"message": {"content": "All at once."}, "finish_reason": "stop"}]}
    other.refuse = lambda _: (200, content)
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (0, "All at once.\n"), found.stderr


def test_escape_sequences_are_not_passed_on(other: OtherServer) -> None:
    evil = "\x1b]0;owned\x07 \x1b[2J red\u202egreen \x9b31m \ud800 tab\there"
    other.answer = lambda _: [text_event(evil), last_event()]
    found = run("chat", "--url", other.url, "Hi")
    assert found.returncode == 0, found.stderr
    assert not set(found.stdout) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}
    for shown in ("␛]0;owned␇", "␛[2J red", "tab\there"):
        assert shown in found.stdout


CUT = ("the server cut the answer off", "Hello\n")
FAILURES = {
    "an error object": (
        {"error": {"message": "model \x1b[31m is gone"}},
        "answered 503: model ␛[31m",
    ),
    "an error text": ({"error": "no room"}, "answered 503: no room"),
    "a detail": ({"detail": "Unavailable"}, "answered 503: Unavailable"),
    "no words": ([], "answered 503: Service Unavailable"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_refusals_are_told_in_the_servers_words(other: OtherServer, kind: str) -> None:
    content, told = FAILURES[kind]
    other.refuse = lambda _: (503, content)
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (1, "")
    assert told in found.stderr
    assert "\x1b" not in found.stderr


def test_a_key_that_is_refused_says_what_to_do(other: OtherServer) -> None:
    other.refuse = lambda _: (401, {"error": {"message": "no such key"}})
    found = run("chat", "--url", other.url, "Hi")
    assert found.returncode == 1
    assert "--key-env" in found.stderr


def test_an_answer_that_is_cut_off(other: OtherServer) -> None:
    other.answer = lambda _: [text_event("Hello")]
    other.ends_with_done = False
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (1, "Hello\n")
    assert "cut the answer off" in found.stderr


def test_an_error_amid_the_answer(other: OtherServer) -> None:
    other.answer = lambda _: [text_event("Hello"), {"error": {"message": "out of memory"}}]
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (1, "Hello\n")
    assert "gave up: out of memory" in found.stderr


@pytest.mark.parametrize("event", ["data: {]\n\n", "data: 7\n\n"])
def test_events_that_are_no_objects(other: OtherServer, event: str) -> None:
    other.answer = lambda _: [event]
    found = run("chat", "--url", other.url, "Hi")
    assert found.returncode == 1
    assert "not a JSON object" in found.stderr


def test_comments_and_line_ends_of_streams(other: OtherServer) -> None:
    """Servers keep streams alive with comments, and may end lines as HTTP does."""
    event = 'data: {"choices": [{"delta": {"content": "Fine"}, "finish_reason": "stop"}]}\r\n\r\n'
    other.answer = lambda _: [": keep-alive\n\n", event, 'data: {"choices": []}\n\n']
    found = run("chat", "--url", other.url, "Hi")
    assert (found.returncode, found.stdout) == (0, "Fine\n"), found.stderr


def test_an_answer_without_text(other: OtherServer) -> None:
    other.answer = lambda _: [last_event()]
    found = run("chat", "--url", other.url, "Hi")
    assert found.returncode == 1
    assert "said nothing" in found.stderr


def test_nobody_answers() -> None:
    found = run("chat", "--url", f"localhost:{closed_port()}", "Hi")
    assert (found.returncode, found.stdout) == (1, "")
    assert "refuses connections" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("flag", "text", "told"),
    [
        ("--timeout", "0", "seconds above 0"),
        ("--timeout", "-1", "seconds above 0"),
        ("--timeout", "nan", "seconds above 0"),
        ("--timeout", "1e20", "seconds above 0"),
        ("--timeout", "soon", "seconds above 0"),
        ("--temperature", "nan", "not a number"),
        ("--temperature", "warm", "not a number"),
        ("--top-p", "inf", "not a number"),
    ],
)
def test_numbers_that_are_none(flag: str, text: str, told: str) -> None:
    found = run("chat", "--model", "m", f"{flag}={text}", "Hi")
    assert found.returncode == 2
    assert f"argument {flag}: " in found.stderr
    assert told in found.stderr


def test_no_question() -> None:
    found = run("chat", "--model", "any", given=" \n")
    assert found.returncode == 2
    assert "no question" in found.stderr


def test_a_model_that_is_not_there(gateway: Server) -> None:
    found = run("chat", "--url", gateway.url, "--model", "absent", "Hi")
    assert found.returncode == 1
    assert "404" in found.stderr
    assert "openai-api models" in found.stderr
