"""The numpy Llama against transformers' LlamaForCausalLM, token for token."""

import json
from pathlib import Path

import numpy as np
import pytest

from demo.environment import DEMO
from demo.llm.config import read_config
from demo.llm.llama import CHUNK, Llama
from demo.weights import read_safetensors

FOLDER = DEMO / "models" / "demo-chat"
FIXTURE = Path(__file__).parent / "fixtures" / "greedy.json"
CASES = json.loads(FIXTURE.read_text())["cases"]


@pytest.fixture(scope="module")
def model():
    return Llama(FOLDER)


def prefilled(model, prompt, capacity, chunk=CHUNK):
    """The cache after the prompt, and its last logits."""
    cache = model.new_cache(capacity)
    for start in range(0, len(prompt), chunk):
        logits = model.forward(np.array(prompt[start : start + chunk]), cache)
    return cache, logits


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_greedy_tokens_are_those_of_the_reference(model, case):
    prompt, expected = case["prompt"], case["output"]
    cache, logits = prefilled(model, prompt, len(prompt) + len(expected))
    tokens = [int(logits.argmax())]
    while len(tokens) < len(expected):
        logits = model.forward(np.array(tokens[-1:]), cache)
        tokens.append(int(logits.argmax()))
    assert tokens == expected


def test_log_probabilities_are_those_of_the_reference(model):
    for case in (case for case in CASES if "first" in case):
        logits = prefilled(model, case["prompt"], len(case["prompt"]))[1].astype(np.float64)
        log_probs = logits - np.log(np.exp(logits).sum())
        assert log_probs[case["first"]["ids"]] == pytest.approx(case["first"]["logprobs"], abs=1e-4)


def test_a_prompt_in_chunks_is_the_prompt_token_by_token(model):
    prompt = [1 + (17 * index) % 3000 for index in range(2 * CHUNK + 5)]
    chunked = prefilled(model, prompt, len(prompt))[1]
    single = prefilled(model, prompt, len(prompt), chunk=1)[1]
    assert np.abs(chunked - single).max() < 1e-4


def test_logits_are_the_same_bits_each_time(model):
    prompt = list(range(1, 100))
    first, second = (prefilled(model, prompt, capacity)[1] for capacity in (99, 500))
    assert (first == second).all()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rope_parameters": {"rope_type": "llama3"}}, "scaled rotary embeddings"),
        ({"attention_bias": True}, "biases"),
        ({"hidden_act": "gelu"}, "another activation"),
    ],
)
def test_a_model_it_cannot_run_is_refused(tmp_path, change, text):
    config = json.loads((FOLDER / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=text):
        read_config(tmp_path)


def test_older_configurations_are_read(tmp_path):
    config = json.loads((FOLDER / "config.json").read_text())
    for key in ("head_dim", "num_key_value_heads", "rope_parameters"):
        config.pop(key, None)
    config |= {"rope_theta": 5e5, "eos_token_id": [7, 8]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    read = read_config(tmp_path)
    assert read.head_size == config["hidden_size"] // config["num_attention_heads"]
    assert (read.num_kv_heads, read.rope_theta, read.end_id) == (read.num_heads, 5e5, 7)


def test_safetensors_of_all_float_types(tmp_path):
    values = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    stored = {"F32": values, "F16": values.astype("<f2"), "BF16": upper, "I64": np.arange(4)}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for dtype, array in stored.items():
        offsets = [len(data), len(data) + array.nbytes]
        header[dtype] = {"dtype": dtype, "shape": [2, 2], "data_offsets": offsets}
        data += array.tobytes()
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    tensors = read_safetensors(path)
    assert set(tensors) == {"F32", "F16", "BF16"}
    assert all((tensor == values).all() for tensor in tensors.values())
