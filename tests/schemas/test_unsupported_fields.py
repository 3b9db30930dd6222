"""What no backend here can honour is never silently ignored."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.unsupported import CHAT_FIELDS, COMPLETION_FIELDS, SAMPLING_FIELDS
from tests.schemas.bodies import GENERATING, parsed, refusal

# Field, values that change nothing, values that would.
BOTH = [
    ("prompt_logprobs", (None,), (0, 1)),
    ("guided_decoding_backend", (None,), ("outlines",)),
    ("truncate_prompt_tokens", (None,), (5, -1)),
    ("allowed_token_ids", (None,), ([5],)),
    ("prompt_embeds", (None,), ("AAAA",)),
    ("logits_processors", ([], None), (["x"],)),
    ("spaces_between_special_tokens", (True, "true", None), (False,)),
    ("return_token_ids", (False, "false", None), (True,)),
    ("detokenize", (True, "true", None), (False,)),
    ("priority", (0, None), (1,)),
]
COMPLETIONS = [
    ("add_special_tokens", (True, "true", None), (False,)),
]
CHAT = [
    ("functions", ([], None), ([{"name": "f"}],)),
    ("function_call", ("none", "auto", None), ({"name": "f"},)),
    ("modalities", (["text"], None), (["text", "audio"],)),
    ("audio", (None,), ({"voice": "x"},)),
    ("web_search_options", (None,), ({},)),
    ("chat_template", (None,), ("{{ messages }}", "")),
    ("add_special_tokens", (False, "false", None), (True,)),
    ("echo", (False, "false", None), (True,)),
    ("thinking_token_budget", (None,), (5,)),
]


def rows(which: int) -> list[tuple[str, str, Any]]:
    table = [(endpoint, row) for endpoint in GENERATING for row in BOTH]
    table += [("completions", row) for row in COMPLETIONS] + [("chat", row) for row in CHAT]
    return [(endpoint, row[0], value) for endpoint, row in table for value in row[which]]


@pytest.mark.parametrize(("endpoint", "name", "value"), rows(1))
def test_a_neutral_value_is_accepted(endpoint: str, name: str, value: Any) -> None:
    parsed(endpoint, **{name: value})


@pytest.mark.parametrize(("endpoint", "name", "value"), rows(2))
def test_any_other_value_is_unsupported(endpoint: str, name: str, value: Any) -> None:
    error = refusal(endpoint, **{name: value})
    assert (error.code, error.param) == ("unsupported_parameter", name)
    assert name in error.message


def test_every_neutral_field_is_in_these_tables() -> None:
    assert set(SAMPLING_FIELDS) == {row[0] for row in BOTH}
    assert set(COMPLETION_FIELDS) == {row[0] for row in COMPLETIONS}
    # What a model might do differently is left to the table itself.
    assert set(CHAT_FIELDS) - {"verbosity"} == {row[0] for row in CHAT}


# Fields of vLLM that would change the answer, with a value that does.
OF_VLLM = {
    "add_special_tokens": {"completions": False, "chat": True},
    "truncate_prompt_tokens": {"completions": 5, "chat": 5},
    "allowed_token_ids": {"completions": [5], "chat": [5]},
    "echo": {"chat": True},
}


@pytest.mark.parametrize(
    ("name", "endpoint"), [(name, endpoint) for name, row in OF_VLLM.items() for endpoint in row]
)
def test_vllms_other_fields_are_not_silently_ignored(name: str, endpoint: str) -> None:
    error = refusal(endpoint, **{name: OF_VLLM[name][endpoint]})
    assert (error.code, error.param) == ("unsupported_parameter", name)


@pytest.mark.parametrize("endpoint", GENERATING)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user", "u"),
        ("store", True),
        ("metadata", {"a": "b"}),
        ("service_tier", "auto"),
        ("prediction", {"type": "content", "content": "x"}),
        ("safety_identifier", "x"),
        ("prompt_cache_key", "x"),
        ("nobody_knows_this", {"a": [1]}),
    ],
)
def test_fields_that_change_nothing_are_accepted(endpoint: str, name: str, value: Any) -> None:
    assert parsed(endpoint, **{name: value}) == parsed(endpoint)
