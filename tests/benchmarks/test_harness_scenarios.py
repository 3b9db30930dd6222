"""The scenarios as data, and the loads that they send."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from benchmarks import gateway, prompts
from benchmarks.backends import Backend
from benchmarks.fleet import GATEWAYS, Ground
from benchmarks.generators import CLIENTS, Amount, client, http_load
from benchmarks.loads import Chat
from benchmarks.peers.servers import PEERS
from benchmarks.places import CHAT_FOLDER, ENCODER_FOLDER, Cores
from benchmarks.plans import BARE, BARE_ENCODER, CHAT_MODELS, ENCODERS
from benchmarks.scenarios import SCENARIOS

pytestmark = pytest.mark.usefixtures("demo_environment")

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


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(Backend("127.0.0.1:1", "127.0.0.1:2", 0), Cores((0, 1)), tmp_path)


def option(words: Sequence[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_steady_streams_outlast_their_run() -> None:
    loads = [point.load for _, point in POINTS if point.is_steady]
    assert len(loads) == 2
    for load in loads:
        assert isinstance(load, Chat)
        assert load.pace == 20
        assert load.max_tokens / load.pace > 2 * (load.ramp + load.seconds)


def test_everybody_has_all_steady_streams_open_for_the_same_time(ground: Ground) -> None:
    """http_load counts its seconds from the end of the ramp, a client from its start."""
    load = Chat(model="ft-pace20", connections=64, max_tokens=512, seconds=5.0, ramp=1.5)
    amount = Amount(seconds=load.seconds)
    assert option(client(BARE, load, amount, ground).words, "--seconds") == "6.5"
    assert option(http_load(load, 80, amount, ground).words, "--seconds") == "5.0"


def test_the_bare_loop_gets_what_the_server_gets(ground: Ground) -> None:
    """The same texts over as many connections, on the core that the server has."""
    points = [point for _, point in POINTS if BARE_ENCODER in point.subjects]
    assert points
    for point in points:
        bare = client(BARE_ENCODER, point.load, Amount(8), ground)
        ours = http_load(point.load, 80, Amount(8), ground)
        for name in ("--body", "--connections", "--requests"):
            assert option(bare.words, name) == option(ours.words, name)
        assert bare.cores == ground.cores.server(1)
