"""The scenarios as data, and the loads that they send."""

from __future__ import annotations

import json

import pytest
from transformers import AutoTokenizer

from benchmarks import gateway, prompts
from benchmarks.fleet import GATEWAYS
from benchmarks.generators import CLIENTS
from benchmarks.loads import Chat
from benchmarks.peers.servers import PEERS
from benchmarks.places import CHAT_FOLDER, ENCODER_FOLDER
from benchmarks.plans import CHAT_MODELS, ENCODERS
from benchmarks.scenarios import SCENARIOS

POINTS = [(scenario, point) for scenario in SCENARIOS for point in scenario.points]


def test_everybody_who_is_asked_can_be_started() -> None:
    known = {*CLIENTS, *PEERS, *GATEWAYS}
    assert {name for scenario in SCENARIOS for name in scenario.subjects} <= known


def test_names_are_used_once() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names)
    labels = [(scenario.name, point.label) for scenario, point in POINTS]
    assert len(set(labels)) == len(labels)


def test_every_model_that_is_asked_is_configured() -> None:
    asked = {point.load.model for _, point in POINTS}
    assert asked <= {*CHAT_MODELS, *ENCODERS}
    content = gateway.configuration("127.0.0.1:1", "127.0.0.1:2", extra=7)
    entries = [*content["llm"], *content["embedding"], *content["rerank"]]
    assert {*CHAT_MODELS, *ENCODERS} <= {entry["name"] for entry in entries}
    assert len(content["llm"]) == 10


def test_every_body_is_json_with_its_model() -> None:
    for _, point in POINTS:
        assert json.loads(point.load.encoded)["model"] == point.load.model


@pytest.mark.parametrize("tokens", [32, 500, 2000])
def test_a_prompt_has_the_tokens_it_is_said_to_have(tokens: int) -> None:
    load = Chat(model="ft", connections=1, max_tokens=1, prompt_tokens=tokens)
    assert tokens - 3 <= load.num_prompt_tokens <= tokens
    assert load.num_prompt_tokens == len(_templated(load.text))


def _templated(text: str) -> list[int]:
    """What the model's own template and tokenizer make of the message."""
    tokenizer = AutoTokenizer.from_pretrained(CHAT_FOLDER)
    messages = [{"role": "user", "content": text}]
    rendered = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    return list(tokenizer.encode(rendered, add_special_tokens=False))


def test_texts_for_encoders_have_their_tokens() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ENCODER_FOLDER)
    for tokens in (64, 512):
        assert tokens - 3 <= len(tokenizer.encode(prompts.encoder_text(tokens))) <= tokens


def test_answers_are_plain_text() -> None:
    ids = prompts.answer_ids(4096)
    assert len(ids) == 4096
    tokenizer = AutoTokenizer.from_pretrained(CHAT_FOLDER)
    assert not {*ids} & {*tokenizer.all_special_ids}
    assert all(tokenizer.decode([each]) for each in {*ids})


def test_a_megabyte_is_a_megabyte() -> None:
    (point,) = (point for _, point in POINTS if point.background)
    assert isinstance(point.background, Chat)
    assert len(point.background.text.encode()) == 10**6
