"""Fields that change the text of an answer: stop strings, special tokens, `min_tokens`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import END_ID, LLM, build_application, standard_configuration, token_ids
from tests.scripted_triton import (
    LLAMA_INPUTS,
    Generated,
    ScriptedHttpTriton,
    ScriptedTriton,
    model_config,
)
from tests.services.sse import read_events
from tests.tokenizers.cached import tokenizer

TEXT = "small boat, small harbour 你好, small end"
START = tokenizer("byte_level_bpe").special_tokens["<|im_start|>"]


@pytest.fixture
def client(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> FlaskClient:
    triton.config = model_config([*LLAMA_INPUTS, ("min_length", "UINT32", [1], True)])
    configuration = standard_configuration(triton.address, http_triton.address)
    return build_application(tmp_path, configuration).test_client()


def both(client: FlaskClient, triton: ScriptedTriton, ids: list[int], **fields: Any) -> Any:
    """Text, finish reason, stop reason and number of tokens, the same for every way to ask."""
    body = {"model": LLM, "prompt": "x", "max_tokens": 40, **fields}
    found = []
    for step in (1, 3, 99):
        triton.script = Generated([*ids, END_ID], step=step)
        answer = client.post("/v1/completions", json=body).json
        (choice,) = answer["choices"]
        ends = choice["finish_reason"], choice["stop_reason"]
        found.append((choice["text"], *ends, answer["usage"]["completion_tokens"]))
        response = client.post("/v1/completions", json={**body, "stream": True})
        *events, _ = read_events(response.data)
        text = "".join(event["choices"][0]["text"] for event in events)
        last = events[-1]["choices"][0]
        ends = last["finish_reason"], last["stop_reason"]
        found.append((text, *ends, events[-1]["usage"]["completion_tokens"]))
    assert len(set(found)) == 1
    return found[0]


def upto(text: str) -> int:
    """How many of TEXT's tokens it takes to hold this beginning."""
    ids = token_ids(TEXT)
    decode = tokenizer("byte_level_bpe").decode
    return next(count for count in range(len(ids)) if len(decode(ids[:count])) >= len(text))


@pytest.mark.parametrize("stop", ["boat", ", small h", "好", "mall boat, s"])
@pytest.mark.parametrize("is_kept", [False, True])
def test_a_stop_string(
    client: FlaskClient, triton: ScriptedTriton, stop: str, is_kept: bool
) -> None:
    found = both(client, triton, token_ids(TEXT), stop=stop, include_stop_str_in_output=is_kept)
    text = TEXT[: TEXT.index(stop)]
    assert found == (text + stop * is_kept, "stop", stop, upto(text + stop))


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_token_that_stops(client: FlaskClient, triton: ScriptedTriton, is_kept: bool) -> None:
    ids = token_ids(TEXT)
    last = ids[2]
    assert last not in ids[:2]
    found = both(
        client, triton, ids, stop_token_ids=[last, 500], include_stop_str_in_output=is_kept
    )
    kept = ids[: 2 + is_kept]
    assert found == (tokenizer("byte_level_bpe").decode(kept), "stop", last, len(kept))


def test_stop_strings_do_not_count_among_the_first_tokens(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    least = upto("small boat, small ")
    found = both(client, triton, token_ids(TEXT), stop="small", min_tokens=least)
    text = TEXT[: TEXT.rindex("small")]
    assert found == (text, "stop", "small", upto(text + "small"))
    assert both(client, triton, token_ids(TEXT), stop="small")[0] == ""


def test_min_tokens_beyond_the_last_stop_string(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    ids = token_ids(TEXT)
    found = both(client, triton, ids, stop="small", min_tokens=len(ids))
    assert found == (TEXT, "stop", None, len(ids))


@pytest.mark.parametrize("skips", [True, False])
def test_special_tokens(client: FlaskClient, triton: ScriptedTriton, skips: bool) -> None:
    ids = [*token_ids("a"), START, *token_ids("b")]
    found = both(client, triton, ids, skip_special_tokens=skips)
    assert found == ("ab" if skips else "a<|im_start|>b", "stop", None, 3)


def test_a_stop_string_in_a_special_token(client: FlaskClient, triton: ScriptedTriton) -> None:
    ids = [*token_ids("a"), START, *token_ids("b")]
    found = both(client, triton, ids, skip_special_tokens=False, stop="im_start")
    assert found == ("a<|", "stop", "im_start", 2)
    assert both(client, triton, ids, stop="im_start")[:3] == ("ab", "stop", None)


def test_the_length_flushes_what_is_held_back(client: FlaskClient, triton: ScriptedTriton) -> None:
    ids = token_ids("small boat")
    found = both(client, triton, ids, stop="small boats", max_tokens=len(ids))
    assert found == ("small boat", "length", None, len(ids))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        # 16 tokens are the default of completions, and the rest of the context that of chat.
        ("/v1/completions", {"prompt": "x", "min_tokens": 17}),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "x"}], "min_tokens": 60},
        ),
    ],
)
def test_more_tokens_than_there_may_be(
    client: FlaskClient, triton: ScriptedTriton, path: str, fields: dict[str, Any]
) -> None:
    response = client.post(path, json={"model": LLM, **fields})
    assert (response.status_code, response.json["error"]["param"]) == (400, "min_tokens")
    assert str(fields["min_tokens"]) in response.json["error"]["message"]
    assert triton.requests == []
