"""What TensorRT-LLM's models call their inputs, from tokens to texts and from v0.5.0 to today.

https://github.com/NVIDIA/TensorRT-LLM, `triton_backend/all_models/inflight_batcher_llm`
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from app.backends.generation import GenerationJob
from app.backends.refusals import too_many_beams
from app.backends.sampling_rules import GREEDY_TOP_P, choosing, end_id_of, seed_of
from app.backends.sending import required_inputs
from app.backends.structure_texts import StructureTexts
from app.backends.word_lists import encode_words
from app.registry.specs import GenerationFacts
from app.triton.contract import ModelContract
from app.types import Sampling, StructuredOutput

# Which input carries which field of a request, by all the names that versions and levels gave it.
INPUTS: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("runtime_top_p", "top_p"),
    "top_k": ("runtime_top_k", "top_k"),
    "repetition_penalty": ("repetition_penalty",),
    "presence_penalty": ("presence_penalty",),
    "frequency_penalty": ("frequency_penalty",),
    "seed": ("random_seed", "seed"),
    "min_tokens": ("min_length", "min_tokens"),
    "ignore_eos": ("end_id",),
    "beam_width": ("beam_width",),
    "length_penalty": ("len_penalty", "length_penalty"),
    "structured_output": ("guided_decoding_guide_type",),
}
# What changes nothing, for models that require what others let out.
NEUTRAL: Mapping[str, Any] = {
    "temperature": 1.0,
    "runtime_top_p": 1.0,
    "runtime_top_k": 0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "len_penalty": 1.0,
    "length_penalty": 1.0,
    "min_length": 1,
    "beam_width": 1,
    "stop": False,
    "return_log_probs": False,
    "return_context_logits": False,
    "return_generation_logits": False,
    "bad_words_list": encode_words(()),
    "stop_words_list": encode_words(()),
    "bad_words": [""],
    "stop_words": [""],
}
# Further inputs that every request has a value for.
ALWAYS = frozenset(
    {
        "input_ids",
        "input_lengths",
        "request_output_len",
        "text_input",
        "max_tokens",
        "end_id",
        "pad_id",
        "random_seed",
        "seed",
        "streaming",
        "stream",
        "exclude_input_in_output",
    }
)
SUPPORTED_STRUCTURES = frozenset({"json_object", "json_schema", "regex", "choice", "grammar"})
# What a regular expression reads as more than itself; re.escape would also escape spaces.
SYNTAX = re.compile(r"[\\^$.|?*+()\[\]{}/]")
ESCAPED = r"\\\g<0>"
Guide = Mapping[str, str]
NO_MIN_P = "TensorRT-LLM's models have no such input"


def known_inputs(facts: GenerationFacts) -> set[str]:
    """Names of all inputs that a request can have a value for."""
    return {*ALWAYS, *NEUTRAL, *facts.extra_inputs}


def declared_fields(contract: ModelContract, fields: Collection[str]) -> dict[str, str]:
    """Fields of `fields` that the model has no input for, each with the reason."""
    missing = {
        field: f"the model in Triton declares no input {' or '.join(INPUTS[field])}"
        for field in fields
        if not any(name in contract.inputs for name in INPUTS[field])
    }
    if "beam_width" in fields and max_beams(contract) == 1:
        missing.setdefault("beam_width", "its engine was built for one beam")
    return missing


def max_beams(contract: ModelContract) -> int | None:
    """The engine's limit, None where the model does not tell it, as those around it do not."""
    told = contract.parameters.get("max_beam_width", "")
    return int(told) if re.fullmatch("[1-9][0-9]{0,5}", told) else None


def check_beams(job: GenerationJob, contract: ModelContract) -> None:
    """Raises UnsupportedParameter for more beams than the engine is known to have."""
    most, wanted = max_beams(contract), job.request.sampling.beam_width or 1
    if most is not None and wanted > most:
        raise too_many_beams(most, wanted)


def is_streamed(job: GenerationJob, contract: ModelContract) -> bool:
    """Whether tokens come one by one; beams change until the end, and scores come at once."""
    is_whole = job.request.scores_prompt or (job.request.sampling.beam_width or 1) > 1
    return contract.is_decoupled and not is_whole


def shared_values(
    job: GenerationJob,
    contract: ModelContract,
    facts: GenerationFacts,
    guides: StructureTexts[Guide],
) -> dict[str, Any]:
    """The inputs of both levels, by name: the first continuation's, whose beams the others are.

    Raises:
        UnsupportedParameter: more beams than the engine is known to have.
    """
    check_beams(job, contract)
    sampling = job.request.sampling
    structure = sampling.structured_output
    fields = {
        **_choosing(sampling, facts, contract),
        **_optional(sampling),
        "seed": np.uint64(seed_of(job.continuations[0])),
        "ignore_eos": end_id_of(sampling, facts),
    }
    streams = is_streamed(job, contract)
    return {
        **{name: NEUTRAL[name] for name in required_inputs(contract) if name in NEUTRAL},
        **facts.extra_inputs,
        **{name: value for field, value in fields.items() for name in INPUTS[field]},
        "pad_id": max(facts.end_id, 0),
        "streaming": streams,
        "stream": streams,
        "exclude_input_in_output": True,
        **({} if structure is None else guides.of(structure)),
    }


def _choosing(
    sampling: Sampling, facts: GenerationFacts, contract: ModelContract
) -> dict[str, Any]:
    chosen = choosing(sampling, facts)
    values: dict[str, Any] = {}
    if chosen.repetition_penalty is not None:
        values["repetition_penalty"] = chosen.repetition_penalty
    if chosen.is_greedy and sampling.logprobs is not None and "runtime_top_p" in contract.inputs:
        # Within a top-k of 1 every token has probability 1; top-p reports the model's own.
        return {**values, "top_k": 0, "top_p": GREEDY_TOP_P}
    if chosen.is_greedy:
        return {**values, "top_k": 1}
    # Without either of the two TensorRT-LLM is greedy, so both are always sent.
    return {
        **values,
        "temperature": chosen.temperature,
        "top_p": chosen.top_p,
        "top_k": chosen.top_k,
    }


def _optional(sampling: Sampling) -> dict[str, Any]:
    names = ("presence_penalty", "frequency_penalty", "min_tokens", "beam_width", "length_penalty")
    given = {name: getattr(sampling, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


def read_guide(structure: StructuredOutput) -> Guide:
    """https://nvidia.github.io/TensorRT-LLM/features/guided-decoding.html"""
    kind, guide = _guide_of(structure.kind, structure.value)
    return {"guided_decoding_guide_type": kind, "guided_decoding_guide": guide}


def _guide_of(kind: str, value: Any) -> tuple[str, str]:
    if kind == "regex":
        return "regex", str(value)
    if kind == "grammar":
        return "ebnf_grammar", str(value)
    if kind == "choice":
        return "regex", f"({'|'.join(SYNTAX.sub(ESCAPED, text) for text in value)})"
    # The type "json" would also admit a number or a text.
    schema = {"type": "object"} if kind == "json_object" else value
    return "json_schema", json.dumps(schema)
