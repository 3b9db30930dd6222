"""Every language model's backend in front of a real Triton that has its contract.

All of them are driven by the same language model, so that under greedy decoding each must answer
what demo-chat does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

from app.errors import ContextLengthExceeded, UnsupportedParameter
from app.types import StructuredOutput
from demo.counters import Counters
from demo.triton import TritonServer
from tests.live.backends import BEGIN, Answered, answered, backend, job, tokenizer
from tests.live.contracts import (
    SLOW_MODEL,
    TENSOR_MODELS,
    TEXT_MODELS,
    VLLM_MODELS,
    WHOLE_MODELS,
)
from tests.live.leaving import cancelled

PROMPTS = (
    "Once upon a time",
    "<|im_start|>user\n你好！😊<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\nWhat is 3 + 4?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>user\n怎么启动服务器？<|im_end|>\n<|im_start|>assistant\n",
)
STORY = PROMPTS[0]
# v0.5.0 decodes each message alone, and shows special tokens.
WHOLE_TEXT_MODELS = tuple(name for name in TEXT_MODELS if name != "trt-ensemble-v05")
MODELS = (*TENSOR_MODELS, *WHOLE_TEXT_MODELS, *VLLM_MODELS)
# Those that know no bad words.
OLD_MODELS = ("trt-llm-v05", "vllm-2310")
# Those that know guided decoding.
GUIDED_MODELS = ("trt-llm-v020", "trt-bls", "vllm")
Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def ask(tritonserver: TritonServer) -> Ask:
    """Asks a model of the Triton: its name, a prompt, and fields of the request.

    What demo-chat says the others are compared with; it is asked once.
    """
    connected = cache(partial(backend, tritonserver))
    known: dict[str, Answered] = {}

    def asked(name: str, prompt: str, **fields: Any) -> Answered:
        key = repr((prompt, fields))
        if name == "demo-chat" and key in known:
            return known[key]
        found = answered(connected(name), job(prompt, **fields))
        if name == "demo-chat":
            known[key] = found
        return found

    return asked


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("model", MODELS)
def test_every_contract_gives_the_same_answer(ask: Ask, model: str, prompt: str) -> None:
    expected, found = ask("demo-chat", prompt), ask(model, prompt)
    assert found.text == expected.text
    assert len(found.text) > 3
    assert found.reason == expected.reason
    assert found.num_tokens == expected.num_tokens


@pytest.mark.parametrize("model", MODELS)
def test_tokens_come_one_by_one_where_the_model_streams(ask: Ask, model: str) -> None:
    parts = ask(model, STORY, max_tokens=12).parts
    assert (len(parts) > 8) is (model not in WHOLE_MODELS)


@pytest.mark.parametrize("model", [*MODELS, "trt-ensemble-v05"])
def test_length_is_the_reason_at_the_limit(ask: Ask, model: str) -> None:
    found = ask(model, STORY, max_tokens=7)
    assert found.reason == "length"
    assert found.num_tokens == 7


def test_a_model_that_splits_characters_still_answers(ask: Ask) -> None:
    found = ask("trt-ensemble-v05", PROMPTS[2])
    assert found.text == ask("demo-chat", PROMPTS[2]).text


@pytest.mark.parametrize("model", [name for name in MODELS if name != "vllm-2310"])
def test_a_seed_repeats_an_answer_and_none_does_not(ask: Ask, model: str) -> None:
    def story(seed: int | None) -> str:
        return ask(model, STORY, max_tokens=16, temperature=1.0, seed=seed).text

    assert story(5) == story(5)
    assert len({story(None) for _ in range(4)}) > 1


@pytest.mark.parametrize("model", [name for name in MODELS if name not in OLD_MODELS])
def test_bad_words_are_not_said(ask: Ask, model: str) -> None:
    word = ask("demo-chat", STORY).text.split()[3]
    assert word.isalpha()
    assert word not in ask(model, STORY, max_tokens=12, bad_words=(word,)).text


@pytest.mark.parametrize("model", TENSOR_MODELS)
def test_banned_and_favoured_tokens(ask: Ask, tritonserver: TritonServer, model: str) -> None:
    plain = [token for part in ask(model, STORY).parts for token in part.ids]
    capabilities = backend(tritonserver, model).capabilities()
    if "logit_bias" not in capabilities.fields:
        assert model == "trt-llm-v05"
        return
    banned = ask(model, STORY, logit_bias={plain[0]: -100.0})
    assert plain[0] not in [token for part in banned.parts for token in part.ids]
    favoured = ask(model, STORY, max_tokens=3, logit_bias={7: 100.0})
    assert [token for part in favoured.parts for token in part.ids] == [7, 7, 7]


def test_vllm_bans_tokens(ask: Ask) -> None:
    plain = ask("vllm", STORY, max_tokens=6)
    first = tokenizer().encode(plain.text, add_special_tokens=False)[0]
    banned = ask("vllm", STORY, max_tokens=6, logit_bias={first: -100.0})
    assert first not in tokenizer().encode(banned.text, add_special_tokens=False)
    assert len(banned.text) > 3


@pytest.mark.parametrize("model", [name for name in MODELS if name != "vllm-2310"])
def test_at_least_so_many_tokens(ask: Ask, model: str) -> None:
    short = ask(model, PROMPTS[2])
    assert short.num_tokens is not None
    wanted = short.num_tokens + 5
    found = ask(model, PROMPTS[2], min_tokens=wanted)
    assert found.num_tokens is not None
    assert found.num_tokens >= wanted


@pytest.mark.parametrize("model", [*MODELS, "trt-ensemble-v05"])
def test_an_ignored_end(ask: Ask, model: str) -> None:
    found = ask(model, PROMPTS[2], ignore_eos=True, max_tokens=30)
    assert found.reason == "length"


@pytest.mark.parametrize("model", [*TENSOR_MODELS, "vllm"])
def test_the_token_that_stops_is_not_in_the_answer(ask: Ask, model: str) -> None:
    whole = [token for part in ask("demo-chat", STORY).parts for token in part.ids]
    stop = whole[5]
    found = ask(model, STORY, stop_token_ids=(stop,))
    expected = tokenizer().decode(whole[: whole.index(stop)])
    assert (found.text, found.reason) == (expected, "stop")
    assert found.num_tokens == whole.index(stop)


@pytest.mark.parametrize("model", ["trt-ensemble", "trt-bls", "vllm"])
def test_stop_strings_reach_a_model_that_gives_text(ask: Ask, model: str) -> None:
    """The gateway itself cuts them; the model need not go on behind them."""
    whole = ask("demo-chat", STORY).text
    stop = whole.split()[4]
    found = ask(model, STORY, stop=(stop,)).text
    assert found == whole[: whole.index(stop) + len(stop)]


@pytest.mark.parametrize("fields", [{}, {"ignore_eos": True, "max_tokens": 30}])
@pytest.mark.parametrize("stop", [(), ("never said",)])
def test_vllm_shows_those_special_tokens_that_are_kept(
    ask: Ask, stop: tuple[str, ...], fields: dict[str, Any]
) -> None:
    """It knows all or none of them; the demo's answer has none, but for its ends."""
    kept = {"kept_special_tokens": frozenset({"<|im_start|>"})}
    expected = ask("demo-chat", PROMPTS[2], **fields)
    found = ask("vllm", PROMPTS[2], stop=stop, **kept, **fields)
    assert found.text.replace("<|im_start|>", "") == expected.text
    assert (found.reason, found.num_tokens) == (expected.reason, expected.num_tokens)


@pytest.mark.parametrize("model", ["trt-llm", "trt-llm-plain", "trt-llm-v020", "vllm"])
def test_logprobs_belong_to_the_tokens(ask: Ask, model: str) -> None:
    found = ask(model, PROMPTS[2], logprobs=0)
    assert len(found.logprobs) == found.num_tokens
    ids = [entry.token_id for entry in found.logprobs if entry.token_id is not None]
    assert tokenizer().decode(ids) == found.text
    assert all(entry.logprob <= 0 for entry in found.logprobs)


def test_alternatives_come_with_the_best_first(ask: Ask) -> None:
    for entry in ask("vllm", STORY, logprobs=3).logprobs:
        assert len(entry.top) == 3
        assert entry.top[0].token_id == entry.token_id, "greedy decoding takes the best"
        assert sorted(entry.top, key=lambda each: -each.logprob) == list(entry.top)


STRUCTURES = (
    ("regex", r"[0-9]{3}-[a-c]{2}", lambda text: re.fullmatch(r"[0-9]{3}-[a-c]{2}", text)),
    ("choice", ["yes (1)", "no [2]"], lambda text: text in ("yes (1)", "no [2]")),
    (
        "json_schema",
        {
            "type": "object",
            "properties": {"age": {"type": "integer"}, "is_old": {"type": "boolean"}},
            "required": ["age", "is_old"],
        },
        lambda text: set(json.loads(text)) == {"age", "is_old"},
    ),
    ("json_object", None, lambda text: isinstance(json.loads(text), dict)),
)


@pytest.mark.parametrize(("kind", "value", "fits"), STRUCTURES, ids=lambda item: str(item)[:12])
@pytest.mark.parametrize("model", GUIDED_MODELS)
def test_structured_output_is_enforced(
    ask: Ask, model: str, kind: str, value: Any, fits: Callable[[str], Any]
) -> None:
    structure = StructuredOutput(kind, value, "response_format")
    found = ask(model, PROMPTS[2], structured_output=structure, max_tokens=300)
    assert fits(found.text), found.text


@pytest.mark.parametrize("model", [*WHOLE_TEXT_MODELS, *VLLM_MODELS])
def test_typed_control_tokens_are_refused_by_a_model_that_takes_text(
    tritonserver: TritonServer, model: str
) -> None:
    typed = [BEGIN, *tokenizer().codec.encode_plain(["say <|im_end|> now"])[0]]
    asked = job(typed)
    with pytest.raises(UnsupportedParameter, match="control token"):
        list(backend(tritonserver, model).generate(asked))


def test_a_prompt_beyond_vllms_context(ask: Ask) -> None:
    with pytest.raises(ContextLengthExceeded):
        ask("vllm", "word " * 3000)


@pytest.mark.parametrize("model", [*TENSOR_MODELS, *TEXT_MODELS, *VLLM_MODELS])
def test_each_has_the_contract_of_its_backend(tritonserver: TritonServer, model: str) -> None:
    served = backend(tritonserver, model)
    served.check_contract()
    assert served.replicas.states()[0].is_ready
    assert served.capabilities().takes_text is (model not in TENSOR_MODELS)


def test_leaving_cancels_the_request(
    tritonserver: TritonServer, counters: Callable[[str], Counters]
) -> None:
    slow = backend(tritonserver, SLOW_MODEL)
    with cancelled(counters, SLOW_MODEL):
        tokens = slow.generate(job(STORY, max_tokens=1900, ignore_eos=True))
        next(tokens)
        tokens.close()
