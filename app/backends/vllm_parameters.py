"""A request as the JSON from which Triton's vLLM backend makes vLLM's SamplingParams.

https://docs.vllm.ai/en/latest/api/vllm/sampling_params.html. The backend refuses a name that its
vLLM does not know, so only what a request asks for is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.backends.generation import GenerationJob
from app.backends.sampling_rules import banned_ids, choosing, end_ids, stop_words
from app.backends.word_lists import word_texts
from app.prompting.tokenizers import Tokenizer
from app.registry.specs import GenerationFacts
from app.types import Generation, Sampling, StructuredOutput

# vLLM's seeds are signed.
MASK_63 = 2**63 - 1
GUIDES: Mapping[str, str] = {
    "json_schema": "json",
    "regex": "regex",
    "choice": "choice",
    "grammar": "grammar",
    "structural_tag": "structural_tag",
}


@dataclass(frozen=True, slots=True)
class Stops:
    """What ends an answer: `texts`, of which `own` are the model's, and token `ids`.

    vLLM shows the text that stopped it if it `is_shown`: the server must see it to tell it.
    """

    texts: tuple[str, ...]
    own: tuple[str, ...]
    ids: tuple[int, ...]
    is_shown: bool


def read_stops(
    job: GenerationJob, facts: GenerationFacts, tokenizer: Tokenizer, *, has_stops: bool
) -> Stops:
    """What ends the answers of a job; without `has_stops` vLLM is not told of texts."""
    request = job.request
    words = stop_words(request.sampling, facts)
    own = word_texts(tokenizer, (word for word in words if len(word) > 1))
    single = (word[0] for word in words if len(word) == 1)
    ids = (*end_ids(request.sampling, facts), *single, *request.stop_token_ids)
    texts = tuple(dict.fromkeys((*request.stop, *own))) if has_stops else ()
    is_shown = has_stops and bool(texts or request.stop_token_ids)
    return Stops(texts, own, tuple(dict.fromkeys(ids)), is_shown)


def sampling_json(
    job: GenerationJob,
    facts: GenerationFacts,
    tokenizer: Tokenizer,
    stops: Stops,
    structure: Mapping[str, str],
) -> str:
    """The parameters of a job's only continuation; `structure` are those of its structure."""
    item, request = job.continuations[0], job.request
    sampling = request.sampling
    own_words = word_texts(tokenizer, facts.bad_words)
    given = {
        **_choosing(sampling, facts),
        **{name: getattr(sampling, name) for name in PASSED_ON},
        "seed": None if item.seed is None else item.seed & MASK_63,
        "bad_words": [*own_words, *(sampling.bad_words or ())] or None,
        "allowed_token_ids": _allowed(sampling, job.vocabulary_size),
        "stop": list(stops.texts) or None,
        "include_stop_str_in_output": stops.is_shown or None,
        "stop_token_ids": list(stops.ids) or None,
        "skip_special_tokens": False if shows_special_tokens(request) else None,
        **structure,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    return json.dumps({"max_tokens": item.max_tokens, **kept})


def shows_special_tokens(request: Generation) -> bool:
    """Whether vLLM is told to show all of them, be it for a few."""
    return not request.skip_special_tokens or bool(request.kept_special_tokens)


PASSED_ON = (
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "min_tokens",
    "ignore_eos",
    "logprobs",
)


def _choosing(sampling: Sampling, facts: GenerationFacts) -> dict[str, Any]:
    chosen = choosing(sampling, facts)
    values: dict[str, Any] = {"repetition_penalty": chosen.repetition_penalty}
    if chosen.is_greedy:
        return {**values, "temperature": 0.0}
    return {
        **values,
        "temperature": chosen.temperature,
        "top_p": chosen.top_p,
        # 0 was an error before 2025.
        "top_k": chosen.top_k or -1,
    }


def _allowed(sampling: Sampling, vocabulary_size: int) -> list[int] | None:
    """All tokens but the banned ones.

    vLLM's own logit_bias cannot be given: its keys are numbers, and those of JSON are texts.
    """
    banned = frozenset(banned_ids(sampling))
    return [token for token in range(vocabulary_size) if token not in banned] if banned else None


def read_guide(structure: StructuredOutput) -> str:
    """https://docs.vllm.ai/en/latest/features/structured_outputs.html, as JSON inside the JSON."""
    if structure.kind == "json_object":
        return json.dumps({"json_object": True})
    value = structure.value
    if structure.kind == "structural_tag" and not isinstance(value, str):
        value = json.dumps(value)
    return json.dumps({GUIDES[structure.kind]: value})
