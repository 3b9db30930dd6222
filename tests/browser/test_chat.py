"""The chat: sending, streaming, stopping, what can be done with messages, and failures."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from demo.counters import Counters
from tests.browser.chats import (
    PATH,
    answer_with,
    ask,
    begin,
    bodies_sent,
    delta,
    figure,
    finished,
    model_choice,
    open_chat,
)
from tests.live.http import Server
from tests.live.waiting import wait_until

QUESTION = "How do I start the server?"
STORY = "Tell me a short story."


def test_an_answer_is_shown_with_its_figures(page: Page, site_server: Server) -> None:
    message = {"role": "user", "content": QUESTION}
    body = {"model": "demo-chat", "messages": [message], "temperature": 0}
    whole = site_server.post("/v1/chat/completions", body).json()
    open_chat(page)
    answer = ask(page, QUESTION)
    content = whole["choices"][0]["message"]["content"]
    expect(answer.locator(".markdown")).to_have_text(content.replace("`", ""))
    for name in ("prompt_tokens", "completion_tokens"):
        expect(figure(answer, name)).to_have_text(str(whole["usage"][name]))
    expect(figure(answer, "finish")).to_have_text("stop")
    assert float(figure(answer, "first_token").inner_text().split()[0]) > 0


def test_the_answer_is_announced_once_it_is_complete(page: Page) -> None:
    open_chat(page)
    page.evaluate(
        """() => {
          const region = document.querySelector('[role=status][aria-live=polite]');
          window.announced = [];
          new MutationObserver(() => region.textContent && announced.push(region.textContent))
            .observe(region, {childList: true, characterData: true, subtree: true});
        }"""
    )
    ask(page, "What is 7 + 5?")
    page.wait_for_function("() => announced.length > 0")
    assert page.evaluate("announced") == ["The answer: 7 + 5 = 12."]


def test_text_comes_while_the_answer_goes_on(page: Page) -> None:
    open_chat(page, "ft-slow")
    begin(page, STORY)
    text = page.locator(".turn.assistant .markdown")
    expect(text).to_contain_text("Once upon")
    expect(page.locator("#chat-stop")).to_be_visible()
    before = text.inner_text()
    page.wait_for_function(
        "length => document.querySelector('.assistant .markdown').textContent.length > length",
        arg=len(before),
    )
    assert text.inner_text().startswith(before)
    page.locator("#chat-stop").click()
    finished(page)


@pytest.mark.parametrize("how", ["button", "Escape"])
def test_stopping_ends_the_work_in_triton(
    page: Page, counters: Callable[[str], Counters], how: str
) -> None:
    open_chat(page, "ft-slow")
    before = counters("ft-slow")
    begin(page, STORY)
    expect(page.locator(".turn.assistant .markdown")).to_contain_text("Once")
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.keyboard.press("Escape")
    finished(page)
    answer = page.locator(".turn.assistant")
    expect(figure(answer, "finish")).to_have_text("stopped")
    assert int(figure(answer, "completion_tokens").inner_text()) > 0
    assert answer.locator(".markdown").inner_text().startswith("Once")
    wait_until(lambda: counters("ft-slow").cancelled > before.cancelled, "the cancellation")
    # It can go on from there.
    model_choice(page).select_option("demo-chat")
    expect(ask(page, "What is 7 + 5?").locator(".markdown")).to_contain_text("12")


def test_the_conversation_is_sent(page: Page) -> None:
    open_chat(page)
    sent = bodies_sent(page)
    page.get_by_label("System prompt").fill("Be brief.")
    first = ask(page, QUESTION).locator(".markdown").inner_text()
    ask(page, "And then?")
    roles = [message["role"] for message in sent[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert sent[1]["messages"][0]["content"] == "Be brief."
    assert sent[1]["messages"][2]["content"].replace("`", "") == first


def test_another_model_answers(page: Page) -> None:
    open_chat(page)
    ask(page, "hi")
    model_choice(page).select_option("ft-parrot")
    answer = ask(page, "Say this again")
    expect(answer.locator(".turn-model")).to_have_text("ft-parrot")
    expect(answer.locator(".markdown")).to_have_text("Say this again")
    page.reload()
    expect(model_choice(page)).to_have_value("ft-parrot")


def test_only_models_that_generate_can_be_chosen(page: Page) -> None:
    page.goto("./#chat")
    expect(model_choice(page).locator("option")).to_have_text(["demo-chat", "ft-parrot", "ft-slow"])


def test_parameters_are_sent_and_empty_ones_are_not(page: Page) -> None:
    open_chat(page, temperature="")
    sent = bodies_sent(page)
    ask(page, "hi")
    options = {"include_usage": True, "continuous_usage_stats": True}
    streamed = {"stream": True, "stream_options": options}
    messages = [{"role": "user", "content": "hi"}]
    assert sent.pop() == {"model": "demo-chat", "messages": messages, **streamed}
    page.get_by_role("button", name="Clear").click()
    values = {"Temperature": "0.5", "Top p": "0.9", "Max tokens": "5", "Seed": "7"}
    for label, value in values.items():
        page.get_by_label(label).fill(value)
    page.get_by_label("Stop", exact=True).fill("END\n\\n\\n")
    page.get_by_label("Colour tokens").check()
    ask(page, "hi")
    assert sent.pop() == {
        "model": "demo-chat",
        "messages": messages,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 5,
        "seed": 7,
        "stop": ["END", "\n\n"],
        "logprobs": True,
        **streamed,
    }


# ---- messages


def test_an_answer_is_made_again(page: Page) -> None:
    open_chat(page)
    sent = bodies_sent(page)
    ask(page, "What is 7 + 5?")
    page.get_by_role("button", name="Regenerate").click()
    finished(page)
    expect(page.locator(".turn")).to_have_count(2)
    assert sent[0] == sent[1]


def test_a_message_is_changed_and_sent_again(page: Page) -> None:
    open_chat(page)
    ask(page, "What is 7 + 5?")
    ask(page, "hi")
    page.locator(".turn.user").first.hover()
    page.get_by_role("button", name="Edit").first.click()
    page.locator(".turn.user textarea").fill("What is 2 + 2?")
    page.get_by_role("button", name="Send again").click()
    finished(page)
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn.assistant .markdown")).to_contain_text("4")


def test_messages_are_deleted(page: Page) -> None:
    open_chat(page)
    sent = bodies_sent(page)
    ask(page, "What is 7 + 5?")
    page.locator(".turn.assistant").get_by_role("button", name="Delete").click()
    expect(page.locator(".turn")).to_have_count(1)
    ask(page, "hi")
    assert [message["content"] for message in sent[1]["messages"]] == ["What is 7 + 5?", "hi"]
    page.get_by_role("button", name="Clear").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_text("Ask a model")).to_be_visible()
    expect(page.locator("#chat-input")).to_be_focused()


def test_clearing_ends_what_is_under_way(page: Page) -> None:
    open_chat(page, "ft-slow")
    begin(page, STORY)
    expect(page.locator(".turn.assistant .markdown")).to_contain_text("Once")
    page.get_by_role("button", name="Clear").click()
    finished(page)
    expect(page.locator(".turn")).to_have_count(0)


def test_a_suggestion_is_a_message(page: Page) -> None:
    open_chat(page)
    page.get_by_role("button", name="What is 7 + 5?").click()
    finished(page)
    expect(page.locator(".turn.assistant .markdown")).to_have_text("7 + 5 = 12.")


# ---- the keyboard


@pytest.mark.parametrize("keys", ["Enter", "Control+Enter", "Meta+Enter"])
def test_keys_send(page: Page, keys: str) -> None:
    open_chat(page)
    page.locator("#chat-input").fill("What is 7 + 5?")
    page.locator("#chat-input").press(keys)
    expect(page.locator(".turn.assistant .markdown")).to_have_text("7 + 5 = 12.")
    expect(page.locator("#chat-input")).to_have_value("")
    finished(page)
    expect(page.locator(".turn")).to_have_count(2)


def test_escape_first_closes_what_is_open(page: Page) -> None:
    open_chat(page, "ft-slow")
    begin(page, STORY)
    expect(page.locator(".turn.assistant .markdown")).to_contain_text("Once")
    page.get_by_role("button", name="Copy as").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(page.locator("#chat-stop")).to_be_visible()
    page.get_by_role("button", name="API key").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("#chat-stop")).to_be_visible()
    page.keyboard.press("Escape")
    finished(page)


def test_shift_and_enter_begin_a_line(page: Page) -> None:
    open_chat(page)
    page.locator("#chat-input").fill("a")
    page.locator("#chat-input").press("Shift+Enter")
    expect(page.locator("#chat-input")).to_have_value("a\n")
    expect(page.locator(".turn")).to_have_count(0)


# ---- failures


def test_a_refused_field_is_shown_and_can_be_put_right(page: Page) -> None:
    open_chat(page, temperature="5")
    begin(page, "What is 7 + 5?")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("temperature: must be a number between 0 and 2, but was 5")
    expect(alert).to_contain_text("400")
    field = page.get_by_label("Temperature")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("0")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn.assistant .markdown")).to_have_text("7 + 5 = 12.")
    expect(alert).to_have_count(0)
    expect(page.locator(".turn")).to_have_count(2)


def test_the_code_of_an_error_is_shown(page: Page) -> None:
    open_chat(page)
    page.get_by_label("Max tokens").fill("100000")
    begin(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("context_length_exceeded")


def test_a_failure_in_the_middle_keeps_what_has_come(page: Page) -> None:
    open_chat(page)
    error = {"message": "Triton failed", "type": "server_error", "param": None, "code": "broken"}
    failure = f"data: {json.dumps({'error': error})}\n\n"
    frames = [": keep-alive\n\n", delta(role="assistant", content=""), delta(content="One ")]
    answers = answer_with(page, [*frames, ": keep-alive\n\n", delta(content="two"), failure])
    begin(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("Triton failed")
    expect(page.get_by_role("alert")).to_contain_text("broken")
    expect(page.locator(".turn.assistant .markdown")).to_have_text("One two")
    answers.end()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    finished(page)


def test_a_stream_that_is_cut_is_a_failure(page: Page) -> None:
    open_chat(page)
    answer_with(page, [delta(content="Half")])
    begin(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("ended before the answer was complete")
    expect(page.locator(".turn.assistant .markdown")).to_have_text("Half")


def test_several_kinds_of_events_in_one_piece(page: Page) -> None:
    open_chat(page)
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    last = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n"
    answer_with(page, [delta(content="a"), delta(content="b"), last, "data: [DONE]\n\n"])
    answer = ask(page, "hi")
    expect(answer.locator(".markdown")).to_have_text("ab")
    expect(figure(answer, "completion_tokens")).to_have_text("2")


def test_an_answer_that_is_no_json(page: Page) -> None:
    open_chat(page)
    page.route(PATH, lambda route: route.fulfill(status=502, body="<html>Bad Gateway</html>"))
    begin(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("502")


def test_an_event_that_is_no_json(page: Page) -> None:
    open_chat(page)
    answer_with(page, ["data: this is no JSON\n\n"])
    begin(page, "hi")
    expect(page.get_by_role("alert")).to_contain_text("cannot be read")
