"""Several answers to several prompts: `n`, `best_of`, batches."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from tests.applications import END_ID, LLM, build_application, standard_configuration, token_ids
from tests.scripted_triton import (
    LLAMA_OUTPUTS,
    ScriptedHttpTriton,
    ScriptedTriton,
    message,
    model_config,
    sent,
)
from tests.services.sse import read_events

OUTPUTS = {**LLAMA_OUTPUTS, "output_log_probs": "FP32"}


def post(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/completions", json={"model": LLM, "max_tokens": 20, **body})
    assert response.status_code == 200, response.json
    return response


def streamed(client: FlaskClient, **body: Any) -> list[Any]:
    return read_events(post(client, stream=True, **body).data)


class Says:
    """Answers each row of each call with the next text, one token in each message."""

    def __init__(self, *texts: str, logprobs: Sequence[float] = ()) -> None:
        self._answers = itertools.cycle(zip(texts, logprobs or [-0.5] * len(texts), strict=True))
        self._lock = threading.Lock()

    def __call__(self, request: Any, _: Any) -> Iterator[Any]:
        tensors = {name: given for name, (_, given) in sent(request).items()}
        prompts = [
            row[:length]
            for row, (length,) in zip(tensors["input_ids"], tensors["input_lengths"], strict=True)
        ]
        most = max(count for (count,) in tensors["request_output_len"])
        with self._lock:
            answers = [next(self._answers) for _ in prompts]
        rows = [([*token_ids(text), END_ID][:most], value) for text, value in answers]
        for step in range(1, max(len(ids) for ids, _ in rows) + 1):
            yield self._message(prompts, rows, most, step)

    @staticmethod
    def _message(prompts: Any, rows: Any, most: int, step: int) -> Any:
        padded = max(map(len, prompts))
        ids = np.full((len(rows), 1, padded + most), END_ID)
        values = np.full((len(rows), 1, most), np.nan)
        lengths = []
        for row, (prompt, (new, value)) in enumerate(zip(prompts, rows, strict=True)):
            shown = [*prompt, *new[:step]]
            ids[row, 0, : len(shown)] = shown
            values[row, 0, : len(new)] = value
            lengths.append([padded + len(new[:step])])
        return message(
            {
                "output_ids": ("UINT32", ids),
                "sequence_length": ("UINT32", lengths),
                "output_log_probs": ("FP32", values),
            }
        )


@pytest.fixture
def triton(triton: ScriptedTriton) -> ScriptedTriton:
    triton.config = model_config(outputs=OUTPUTS)
    return triton


@pytest.fixture(params=[1, None, 3], ids=["alone", "together", "threes"])
def client(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
) -> FlaskClient:
    """A gateway that sends one, all or three continuations in a call."""
    llm = {"batch_size": request.param}
    configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
    return build_application(tmp_path, configuration).test_client()


def seeds(triton: ScriptedTriton) -> list[int]:
    return sorted(seed for call in triton.requests for (seed,) in sent(call)["random_seed"][1])


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_has_a_seed_of_its_own(
    client: FlaskClient, triton: ScriptedTriton, stream: bool
) -> None:
    triton.script = Says("boat")
    response = post(client, prompt=["a", "b"], n=3, seed=2**64 - 2, stream=stream)
    assert response.data
    assert seeds(triton) == sorted([2**64 - 2, 2**64 - 1, 0] * 2)


def test_choices_are_ordered_by_their_prompts(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = Says("boat")
    prompts = ["The harbour", "A", "boat boat boat"]
    body = post(client, prompt=prompts, n=2, echo=True).json
    assert [choice["index"] for choice in body["choices"]] == list(range(6))
    expected = [f"{prompt}boat" for prompt in prompts for _ in range(2)]
    assert [choice["text"] for choice in body["choices"]] == expected


def test_usage_counts_each_prompt_once_and_every_answer(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = Says("small boat", "harbour")
    usage = post(client, prompt=["The", "A boat"], n=2).json["usage"]
    num_prompt = len(token_ids("The")) + len(token_ids("A boat"))
    num_new = 2 * (len(token_ids("small boat")) + len(token_ids("harbour")))
    assert usage == {
        "prompt_tokens": num_prompt,
        "completion_tokens": num_new,
        "total_tokens": num_prompt + num_new,
    }


def test_a_stream_has_every_choice_once_and_whole(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = Says("small boat")
    *events, done = streamed(client, prompt=["a", "b"], n=2)
    assert done == "[DONE]"
    texts, ends = [""] * 4, [0] * 4
    for event in events:
        (choice,) = event["choices"]
        texts[choice["index"]] += choice["text"]
        ends[choice["index"]] += choice["finish_reason"] is not None
    assert (texts, ends) == (["small boat"] * 4, [1] * 4)
    assert [("usage" in event) for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["usage"]["completion_tokens"] == 4 * len(token_ids("small boat"))


def test_choices_of_one_batch_come_interleaved(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    llm = {"batch_size": None}
    configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
    client = build_application(tmp_path, configuration).test_client()
    triton.script = Says("small boat in the harbour")
    *events, _ = streamed(client, prompt="a", n=3)
    order = [event["choices"][0]["index"] for event in events]
    assert order == [0, 1, 2] * (len(order) // 3)
    assert len(triton.requests) == 1


def test_running_usage_counts_all_choices(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = Says("small boat", "harbour")
    options = {"include_usage": True, "continuous_usage_stats": True}
    *events, _ = streamed(client, prompt="a", n=2, stream_options=options)
    counts = [event["usage"]["completion_tokens"] for event in events]
    assert counts == sorted(counts)
    assert counts[-1] == counts[-2]
    assert counts[-1] == len(token_ids("small boat")) + len(token_ids("harbour"))
    assert events[-1]["choices"] == []


# ---- best_of


def test_the_best_have_the_largest_sums(client: FlaskClient, triton: ScriptedTriton) -> None:
    # A mean would prefer the long one.
    texts = ("b", "small boat in the harbour", "a")
    assert len(token_ids(texts[1])) > 6
    triton.script = Says(*texts, logprobs=(-3.0, -0.5, -2.0))
    body = post(client, prompt="The", best_of=3, n=2).json
    assert [choice["text"] for choice in body["choices"]] == ["a", "b"]
    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert [choice["logprobs"] for choice in body["choices"]] == [None, None]


def test_the_best_are_chosen_for_each_prompt(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    llm = {"batch_size": None}
    configuration = standard_configuration(triton.address, http_triton.address, llm=llm)
    client = build_application(tmp_path, configuration).test_client()
    triton.script = Says("a", "b", "c", "d", logprobs=(-2.0, -1.0, -0.5, -4.0))
    body = post(client, prompt=["x", "y"], best_of=2, n=1, echo=True, logprobs=0).json
    assert [choice["text"] for choice in body["choices"]] == ["xb", "yc"]
    values = [choice["logprobs"]["token_logprobs"] for choice in body["choices"]]
    assert values == [[None, -1.0], [None, -0.5]]
    # All four were generated, and are paid for.
    assert body["usage"]["completion_tokens"] == 4
    assert body["usage"]["prompt_tokens"] == 2
    assert len(set(seeds(triton))) == 4


def test_as_many_candidates_as_choices_need_no_logprobs(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.script = Says("boat")
    post(client, prompt="a", best_of=2, n=2)
    assert all("is_return_log_probs" not in sent(call) for call in triton.requests)
    post(client, prompt="a", best_of=2)
    assert "is_return_log_probs" in sent(triton.requests[-1])


def test_best_of_is_named_where_the_model_tells_no_logprobs(
    client: FlaskClient, triton: ScriptedTriton
) -> None:
    triton.config = model_config()
    body = {"model": LLM, "prompt": "a", "best_of": 2}
    response = client.post("/v1/completions", json=body)
    assert response.status_code == 400
    assert (response.json["error"]["param"], response.json["error"]["code"]) == (
        "best_of",
        "unsupported_parameter",
    )
    assert triton.requests == []


# ---- chat


def test_chat_with_several_choices(client: FlaskClient, triton: ScriptedTriton) -> None:
    triton.script = Says("small boat")
    messages = [{"role": "user", "content": "a"}]
    body = {"model": LLM, "messages": messages, "n": 3, "max_tokens": 9}
    answer = client.post("/v1/chat/completions", json=body).json
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in answer["choices"]} == {"small boat"}
    assert answer["usage"]["completion_tokens"] == 3 * len(token_ids("small boat"))
    response = client.post("/v1/chat/completions", json={**body, "stream": True})
    *events, _ = read_events(response.data)
    roles = [event["choices"][0] for event in events[:3]]
    assert [choice["index"] for choice in roles] == [0, 1, 2]
    assert all(choice["delta"] == {"role": "assistant", "content": ""} for choice in roles)
    assert events[-1]["usage"] == answer["usage"]
