"""The model `tensorrt_llm` itself: token ids in, and new token ids out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from app.backends.answer import Answer
from app.backends.answer_readers import RowsReader
from app.backends.delta_output import DeltaOutput, DeltaPlace
from app.backends.generation import Capabilities, GenerationJob
from app.backends.job_reader import JobReader
from app.backends.prompt_scores import prompt_scores
from app.backends.prompt_scoring import PromptScoring
from app.backends.sampling_rules import BAN, bans, end_id_of, end_ids, ends_of, stop_words
from app.backends.sending import Values
from app.backends.streamed_model import check_tensors
from app.backends.structure_texts import StructureTexts
from app.backends.tensorrt_llm_inputs import (
    INPUTS,
    NO_MIN_P,
    SUPPORTED_STRUCTURES,
    declared_fields,
    is_streamed,
    known_inputs,
    read_guide,
    shared_values,
)
from app.backends.word_lists import encode_words, phrases
from app.chunks import TokenLogprob, Tokens
from app.prompting.tokenizers import Tokenizer
from app.registry import LanguageModelSpec
from app.registry.specs import Words
from app.triton.contract import ModelContract
from app.triton.errors import broken_contract

# Fields whose inputs only this level has.
OWN_FIELDS = ("logit_bias", "bad_words", "logprobs")


class TokenLevel:
    """One model whose input and output are token ids."""

    required = ("input_ids", "input_lengths", "request_output_len")

    def __init__(self, spec: LanguageModelSpec, tokenizer: Tokenizer) -> None:
        self._facts = spec.facts
        self._tokenizer = tokenizer
        self._guides = StructureTexts(read_guide)
        self.scoring = PromptScoring()

    def capabilities(self, contract: ModelContract) -> Capabilities:
        """What the model declares inputs for."""
        missing = {**declared_fields(contract, INPUTS), **_missing(contract)}
        return Capabilities(
            fields=frozenset({*INPUTS, *OWN_FIELDS} - set(missing)),
            reasons={**missing, "min_p": NO_MIN_P},
            has_bans_only="embedding_bias" not in contract.inputs,
            structures=frozenset() if "structured_output" in missing else SUPPORTED_STRUCTURES,
            scores_prompts=self.scoring.is_possible(contract),
        )

    def check(self, contract: ModelContract) -> None:
        """Refuse a model that cannot serve. Raises BackendError."""
        check_tensors(contract, ("output_ids",), known_inputs(self._facts))

    def start(self, job: GenerationJob, contract: ModelContract) -> tuple[Values, JobReader]:
        """A job's tensors by name, and the reader of its messages.

        Raises:
            InvalidRequest: what the engine is known to lack.
        """
        job = self.scoring.planned(job, contract)
        values = {
            **shared_values(job, contract, self._facts, self._guides),
            **self._prompt(job),
            **self._words(job, contract),
        }
        if job.request.sampling.logprobs is not None:
            values["return_log_probs"] = True
        if job.request.scores_prompt:
            values["return_context_logits"] = True
        return values, TokenReader(self._answers(job, contract), contract, job, self.scoring)

    @staticmethod
    def _prompt(job: GenerationJob) -> dict[str, Any]:
        first = job.continuations[0]
        return {
            "input_ids": [first.prompt_ids],
            "input_lengths": len(first.prompt_ids),
            # One token is the least, also where only the prompt is to be scored.
            "request_output_len": max(1, *(item.max_tokens for item in job.continuations)),
        }

    def _words(self, job: GenerationJob, contract: ModelContract) -> dict[str, Any]:
        facts, sampling = self._facts, job.request.sampling
        # The first of them has a tensor of its own.
        ends = end_ids(sampling, facts)[1 if facts.end_id >= 0 else 0 :]
        stops = (*stop_words(sampling, facts), *_words_of(ends))
        stops = (*stops, *_words_of(job.request.stop_token_ids))
        bad = (*facts.bad_words, *phrases(self._tokenizer, sampling.bad_words or ()))
        bias = sampling.logit_bias or {}
        values: dict[str, Any] = {}
        if bias and _needs_weights(bias, contract):
            size = contract.inputs["embedding_bias"].dims[-1]
            values["embedding_bias"] = _weights(bias, size if size > 0 else job.vocabulary_size)
        else:
            bad = (*bad, *bans(sampling))
        lists = {"bad_words_list": bad, "stop_words_list": stops}
        return {**values, **{name: encode_words(words) for name, words in lists.items() if words}}

    def _answers(self, job: GenerationJob, contract: ModelContract) -> list[Answer]:
        facts, sampling = self._facts, job.request.sampling
        is_whole = not is_streamed(job, contract)
        has_prompt = is_whole and "exclude_input_in_output" not in contract.inputs
        ends, end_id = ends_of(job.request, facts), end_id_of(sampling, facts)
        return [
            Answer(
                DeltaOutput(
                    DeltaPlace(item.max_tokens, beam, item.prompt_ids if has_prompt else ()),
                    end_id,
                    job.vocabulary_size,
                ),
                ends,
                beam,
            )
            for beam, item in enumerate(job.continuations)
        ]


class TokenReader(RowsReader):
    """The answers of one job, a beam each."""

    def __init__(
        self,
        answers: Sequence[Answer],
        contract: ModelContract,
        job: GenerationJob,
        scoring: PromptScoring,
    ) -> None:
        super().__init__(answers, contract)
        self._contract = contract
        self._job = job
        self._scoring = scoring
        # Of the prompt; they go with the first tokens, which may come later.
        self._scores: Sequence[TokenLogprob] = ()

    def read(self, message: Any) -> Sequence[Tokens]:
        """What a message adds; the model in Python ends with one that holds a flag alone."""
        if message.output("output_ids") is None:
            return ()
        self._scores = self._prompt_scores(message) or self._scores
        return self._scored(super().read(message))

    def at_end(self) -> Iterable[Tokens]:
        """What is left when the stream ends."""
        return self._scored(list(super().at_end()))

    def _scored(self, added: Sequence[Tokens]) -> Sequence[Tokens]:
        for tokens in added:
            tokens.prompt_logprobs = self._scores
        if added:
            self._scores = ()
        return added

    def _prompt_scores(self, message: Any) -> Sequence[TokenLogprob]:
        """Only asked for where all comes in one message."""
        if not self._job.request.scores_prompt:
            return ()
        logits = message.output("context_logits")
        if logits is None:
            self._scoring.failed(self._job, self._contract)
            return ()
        ids = self._job.continuations[0].prompt_ids
        return prompt_scores(logits, ids, self._job.request.sampling.logprobs or 0)


def _missing(contract: ModelContract) -> dict[str, str]:
    """Reasons against the fields that only this level has."""
    declared, reasons = contract.inputs, {}
    if "bad_words_list" not in declared:
        reasons["bad_words"] = "the model in Triton declares no input bad_words_list"
        if "embedding_bias" not in declared:
            reasons["logit_bias"] = (
                "the model in Triton declares no input embedding_bias or bad_words_list"
            )
    if "return_log_probs" not in declared:
        reasons["logprobs"] = "the model in Triton declares no input return_log_probs"
    elif "output_log_probs" not in contract.outputs:
        reasons["logprobs"] = "the model in Triton declares no output output_log_probs"
    return reasons


def _words_of(ids: Iterable[int]) -> Words:
    return tuple((token,) for token in ids)


def _needs_weights(bias: Mapping[int, float], contract: ModelContract) -> bool:
    """Whether bad words cannot say it.

    Weights must be as many as the engine's vocabulary has tokens, which may be padded beyond the
    tokenizer's; bad words need not know.
    """
    if "embedding_bias" not in contract.inputs:
        return False
    is_ban = all(value in (0, BAN) for value in bias.values()) and bias.get(0) != BAN
    return not is_ban or "bad_words_list" not in contract.inputs


def _weights(bias: Mapping[int, float], size: int) -> Any:
    """`[V]` FP32, what is added to each token's logit."""
    weights = np.zeros(size, np.float32)
    if max(bias) >= size:
        raise broken_contract(f"embedding_bias has {size} weights and none for token {max(bias)}")
    for token, weight in bias.items():
        weights[token] = weight
    return weights
