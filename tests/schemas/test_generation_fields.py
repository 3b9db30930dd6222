"""The fields of completions and chat beside the oldest ones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.schemas.bodies import GENERATING, parsed, refusal

OF_SAMPLING = (
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "bad_words",
    "min_tokens",
    "ignore_eos",
)

# Field, what is sent, what it becomes. None means that nothing is asked of the model.
ALLOWED = [
    ("n", None, 1),
    ("n", 1, 1),
    ("n", 16, 16),
    ("n", 2.0, 2),
    ("min_p", 0, 0),
    ("min_p", 1, 1),
    ("min_p", None, None),
    ("presence_penalty", -2, -2),
    ("presence_penalty", 2, 2),
    ("presence_penalty", 0, None),
    ("presence_penalty", None, None),
    ("frequency_penalty", -2, -2),
    ("frequency_penalty", 2.0, 2),
    ("frequency_penalty", 0.0, None),
    ("logit_bias", {"5": -100, "07": 100, "9": 0.5}, {5: -100, 7: 100, 9: 0.5}),
    ("logit_bias", {str(item): 1 for item in range(300)}, dict.fromkeys(range(300), 1)),
    ("logit_bias", {}, None),
    ("logit_bias", None, None),
    ("bad_words", ["a", "b c"], ("a", "b c")),
    ("bad_words", ["x" * 256] * 256, ("x" * 256,) * 256),
    ("bad_words", [], None),
    ("bad_words", None, None),
    ("stop_token_ids", [0, 2**31 - 1], (0, 2**31 - 1)),
    ("stop_token_ids", [7.0], (7,)),
    ("stop_token_ids", list(range(256)), tuple(range(256))),
    ("stop_token_ids", [], ()),
    ("stop_token_ids", None, ()),
    ("min_tokens", 0, None),
    ("min_tokens", 3, 3),
    ("ignore_eos", True, True),
    ("ignore_eos", "true", True),
    ("ignore_eos", False, None),
    ("ignore_eos", None, None),
    ("skip_special_tokens", "false", False),
    ("skip_special_tokens", None, True),
]
REFUSED = [
    ("n", 0, "n"),
    ("n", 17, "n"),
    ("n", "2", "n"),
    ("n", True, "n"),
    ("n", 1.5, "n"),
    ("min_p", -0.1, "min_p"),
    ("min_p", 1.01, "min_p"),
    ("presence_penalty", -2.01, "presence_penalty"),
    ("presence_penalty", 2.01, "presence_penalty"),
    ("presence_penalty", "1", "presence_penalty"),
    ("frequency_penalty", -2.01, "frequency_penalty"),
    ("frequency_penalty", 2.01, "frequency_penalty"),
    ("logit_bias", [5], "logit_bias"),
    ("logit_bias", {str(item): 1 for item in range(301)}, "logit_bias"),
    ("logit_bias", {"5": 100.5}, "logit_bias.5"),
    ("logit_bias", {"5": -101}, "logit_bias.5"),
    ("logit_bias", {"5": True}, "logit_bias.5"),
    ("logit_bias", {"5": "1"}, "logit_bias.5"),
    ("logit_bias", {"5": None}, "logit_bias.5"),
    ("logit_bias", {"the": 1}, "logit_bias.the"),
    ("logit_bias", {"-1": 1}, "logit_bias.-1"),
    ("logit_bias", {"1.0": 1}, "logit_bias.1.0"),
    ("logit_bias", {"٣": 1}, "logit_bias.٣"),
    ("logit_bias", {"5": 1, "x": 1}, "logit_bias.x"),
    ("bad_words", "a", "bad_words"),
    ("bad_words", [""], "bad_words[0]"),
    ("bad_words", ["a", 5], "bad_words[1]"),
    ("bad_words", ["x" * 257], "bad_words[0]"),
    ("bad_words", ["x"] * 257, "bad_words"),
    ("stop_token_ids", 5, "stop_token_ids"),
    ("stop_token_ids", [-1], "stop_token_ids[0]"),
    ("stop_token_ids", [1, 2**31], "stop_token_ids[1]"),
    ("stop_token_ids", ["5"], "stop_token_ids[0]"),
    ("stop_token_ids", [5.5], "stop_token_ids[0]"),
    ("stop_token_ids", list(range(257)), "stop_token_ids"),
    ("min_tokens", -1, "min_tokens"),
    ("min_tokens", 1.5, "min_tokens"),
    ("min_tokens", "5", "min_tokens"),
    ("ignore_eos", 1, "ignore_eos"),
    ("skip_special_tokens", "no", "skip_special_tokens"),
    ("include_stop_str_in_output", 0, "include_stop_str_in_output"),
    ("use_beam_search", "on", "use_beam_search"),
    ("beam_width", 0, "beam_width"),
    ("beam_width", 33, "beam_width"),
    ("length_penalty", 10.5, "length_penalty"),
    ("length_penalty", -10.5, "length_penalty"),
]


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(("name", "value", "expected"), ALLOWED)
def test_allowed_values(endpoint: str, name: str, value: Any, expected: Any) -> None:
    request = parsed(endpoint, **{name: value})
    result = getattr(request.sampling if name in OF_SAMPLING else request, name)
    assert result == expected
    assert (result is None) == (expected is None)


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(("name", "value", "path"), REFUSED)
def test_refused_values(endpoint: str, name: str, value: Any, path: str) -> None:
    error = refusal(endpoint, **{name: value})
    assert (error.param, error.code) == (path, None)
    assert error.message.startswith(path)


@pytest.mark.parametrize("value", [True, "true"])
def test_stop_strings_in_the_output(value: Any) -> None:
    assert parsed("chat", include_stop_str_in_output=value).has_stop_in_output is True
    assert parsed("chat").has_stop_in_output is False


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("n", 17, ("17", "1", "16")),
        ("presence_penalty", 3, ("3", "-2", "2")),
        ("logit_bias", {"5": 101}, ("101", "-100", "100")),
        ("logit_bias", {str(item): 1 for item in range(301)}, ("301", "300")),
        ("logit_bias", {"the": 1}, ("token id", '"the"')),
        ("stop_token_ids", [-5], ("-5", "0")),
        ("bad_words", ["x" * 257], ("257", "256")),
    ],
)
def test_messages_say_what_was_given_and_what_is_allowed(
    name: str, value: Any, words: tuple[str, ...]
) -> None:
    message = refusal("completions", **{name: value}).message
    assert all(word in message for word in words), message


# ---- the least number of tokens


@pytest.mark.parametrize(
    ("endpoint", "fields"),
    [
        ("completions", {"min_tokens": 5, "max_tokens": 5}),
        ("chat", {"min_tokens": 5, "max_tokens": 5}),
        ("chat", {"min_tokens": 5}),
        ("chat", {"min_tokens": 5, "max_tokens": 1, "max_completion_tokens": 5}),
        ("completions", {"min_tokens": 0, "max_tokens": 0, "echo": True}),
    ],
)
def test_min_tokens_up_to_max_tokens(endpoint: str, fields: dict[str, Any]) -> None:
    assert parsed(endpoint, **fields).sampling.min_tokens == (fields["min_tokens"] or None)


@pytest.mark.parametrize(
    ("endpoint", "fields", "words"),
    [
        ("completions", {"min_tokens": 6, "max_tokens": 5}, ("max_tokens", "6", "5")),
        ("chat", {"min_tokens": 6, "max_tokens": 5}, ("max_tokens", "6", "5")),
        (
            "chat",
            {"min_tokens": 6, "max_tokens": 9, "max_completion_tokens": 5},
            ("max_completion_tokens", "6", "5"),
        ),
        ("completions", {"min_tokens": 1, "max_tokens": 0, "echo": True}, ("max_tokens", "1", "0")),
    ],
)
def test_min_tokens_beyond_max_tokens(
    endpoint: str, fields: dict[str, Any], words: tuple[str, ...]
) -> None:
    error = refusal(endpoint, **fields)
    assert error.param == "min_tokens"
    assert all(word in error.message for word in words)


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_the_limit_has_the_name_that_was_given(field: str) -> None:
    request = parsed("chat", **{field: 5})
    assert (request.max_tokens, request.limit_param) == (5, field)


# ---- beam search


@pytest.mark.parametrize(
    ("endpoint", "fields", "width"),
    [
        ("chat", {}, None),
        ("chat", {"beam_width": 1}, None),
        ("chat", {"use_beam_search": False, "beam_width": 1, "length_penalty": 1}, None),
        ("chat", {"beam_width": 4}, 4),
        ("chat", {"beam_width": 32}, 32),
        ("chat", {"use_beam_search": True, "beam_width": 2}, 2),
        ("chat", {"use_beam_search": True, "n": 3}, 3),
        ("chat", {"beam_width": 3, "n": 3}, 3),
        ("completions", {"use_beam_search": True, "best_of": 5}, 5),
        ("completions", {"use_beam_search": True, "best_of": 5, "n": 2}, 5),
        ("completions", {"beam_width": 5, "best_of": 5, "n": 2}, 5),
    ],
)
def test_beam_width(endpoint: str, fields: dict[str, Any], width: int | None) -> None:
    request = parsed(endpoint, **fields)
    assert request.sampling.beam_width == width
    # Beams are ranked by the model: there is nothing to draw besides.
    assert getattr(request, "best_of", 1) == 1


def test_a_length_penalty_of_beams() -> None:
    fields = {"use_beam_search": True, "beam_width": 2, "length_penalty": 1.5}
    assert parsed("chat", **fields).sampling.length_penalty == 1.5


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"use_beam_search": True}, "use_beam_search"),
        ({"use_beam_search": True, "beam_width": 1}, "use_beam_search"),
        ({"use_beam_search": True, "beam_width": 2, "stream": True}, "use_beam_search"),
        ({"beam_width": 2, "stream": True}, "beam_width"),
        ({"beam_width": 2, "n": 3}, "n"),
        ({"length_penalty": 2}, "length_penalty"),
    ],
)
def test_rules_of_beams(endpoint: str, fields: dict[str, Any], param: str) -> None:
    assert refusal(endpoint, **fields).param == param
