"""A job as FasterTransformer's input tensors, batch first; the model's facts fill in defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.backends.generation import GenerationJob
from app.backends.sampling_rules import (
    GREEDY_TOP_P,
    Choosing,
    bans,
    choosing,
    end_id_of,
    seed_of,
    stop_words,
)
from app.backends.sending import required_inputs
from app.backends.word_lists import encode_words, phrases
from app.errors import UnsupportedParameter
from app.prompting.tokenizers import Tokenizer
from app.registry.specs import GenerationFacts
from app.triton.contract import ModelContract
from app.types import Generation, Sampling

# Inputs that every request has a value for, beside the required ones.
OWN_INPUTS = ("start_id", "end_id", "mask_positions", "random_seed")
# What changes nothing: sent where a model requires the tensor, and not missed where it has none.
NEUTRAL: Mapping[str, Any] = {
    "temperature": 1.0,
    "runtime_top_p": 1.0,
    "runtime_top_k": 0,
    "repetition_penalty": 1.0,
    "bad_words_list": encode_words(()),
    "stop_words_list": encode_words(()),
}


class Inputs:
    """What the model's entry in the configuration and a job make of each tensor."""

    def __init__(self, facts: GenerationFacts, tokenizer: Tokenizer) -> None:
        self._facts = facts
        self._tokenizer = tokenizer

    def of(self, job: GenerationJob, contract: ModelContract) -> dict[str, Any]:
        """Every value that this job has for a tensor, by the tensor's name.

        Raises:
            UnsupportedParameter: fields that exclude each other, or a ban of token 0.
        """
        facts, sampling = self._facts, job.request.sampling
        values = {
            **{name: NEUTRAL[name] for name in required_inputs(contract) if name in NEUTRAL},
            **facts.extra_inputs,
            **self._prompts(job),
            "start_id": facts.start_id,
            "end_id": end_id_of(sampling, facts),
            "mask_positions": facts.mask_positions or (-1,),
            "random_seed": self._seeds(job),
            **self._choosing(sampling, contract),
            **self._words(job.request),
            **_beams(sampling),
        }
        return {name: _repeated(value, len(values["input_ids"])) for name, value in values.items()}

    def _prompts(self, job: GenerationJob) -> dict[str, Any]:
        # All beams have the same prompt, which is sent once.
        is_beams = job.request.sampling.beam_width is not None
        items = job.continuations[:1] if is_beams else job.continuations
        longest = max(len(item.prompt_ids) for item in items)
        ids = np.zeros((len(items), longest), np.int64)
        for row, item in zip(ids, items, strict=True):
            row[: len(item.prompt_ids)] = item.prompt_ids
        return {
            "input_ids": ids,
            "input_lengths": np.array([[len(item.prompt_ids)] for item in items]),
            "request_output_len": np.array([[item.max_tokens] for item in items]),
        }

    @staticmethod
    def _seeds(job: GenerationJob) -> NDArray[np.uint64]:
        is_beams = job.request.sampling.beam_width is not None
        seeds = [seed_of(item) for item in job.continuations[: 1 if is_beams else None]]
        return np.array(seeds, np.uint64)[:, None]

    def _choosing(self, sampling: Sampling, contract: ModelContract) -> dict[str, Any]:
        """Temperature, top-k, top-p, and what makes repeated tokens less likely."""
        chosen = choosing(sampling, self._facts)
        values = {**_penalties(sampling, chosen), **_optional(sampling)}
        if not chosen.is_greedy:
            # Without either of the two FasterTransformer is greedy, so both are always sent.
            return {
                **values,
                "temperature": chosen.temperature,
                "runtime_top_k": chosen.top_k,
                "runtime_top_p": chosen.top_p,
            }
        if sampling.logprobs is not None and "runtime_top_p" in contract.inputs:
            # Within a top-k of 1 every token has probability 1; top-p reports the model's own.
            return {**values, "runtime_top_k": 0, "runtime_top_p": GREEDY_TOP_P}
        # A temperature of 0 would multiply the logits by a million instead.
        return {**values, "runtime_top_k": 1}

    def _words(self, request: Generation) -> dict[str, Any]:
        facts, sampling = self._facts, request.sampling
        ends = () if sampling.ignore_eos else facts.end_ids
        stops = (*stop_words(sampling, facts), *((token,) for token in ends))
        stops = (*stops, *((token,) for token in request.stop_token_ids))
        bad = (*facts.bad_words, *bans(sampling))
        bad = (*bad, *phrases(self._tokenizer, sampling.bad_words or ()))
        lists = {"bad_words_list": bad, "stop_words_list": stops}
        return {name: encode_words(words) for name, words in lists.items() if words}


def _penalties(sampling: Sampling, chosen: Choosing) -> dict[str, Any]:
    """FasterTransformer takes either of the two."""
    if sampling.presence_penalty is None:
        penalty = chosen.repetition_penalty
        return {} if penalty is None else {"repetition_penalty": penalty}
    if sampling.repetition_penalty not in (None, 1):
        raise UnsupportedParameter(
            "presence_penalty is not supported together with repetition_penalty by this model:"
            " give one of them",
            param="presence_penalty",
        )
    return {"presence_penalty": sampling.presence_penalty}


def _optional(sampling: Sampling) -> dict[str, Any]:
    """Tensors that are only sent where the request asks for what they do."""
    values = {
        "frequency_penalty": sampling.frequency_penalty,
        "min_length": sampling.min_tokens,
        "is_return_log_probs": None if sampling.logprobs is None else True,
    }
    return {name: value for name, value in values.items() if value is not None}


def _beams(sampling: Sampling) -> dict[str, Any]:
    if sampling.beam_width is None:
        return {}
    values = {"beam_width": sampling.beam_width, "len_penalty": sampling.length_penalty}
    return {name: value for name, value in values.items() if value is not None}


def _repeated(value: Any, num_rows: int) -> Any:
    """One value for each row; what has a row for each already stays as it is."""
    array = np.asarray(value)
    if num_rows == 1 or (array.ndim > 1 and len(array) == num_rows):
        return value
    row = array if array.ndim > 1 else array.reshape(1, -1)
    return np.repeat(row, num_rows, axis=0)
