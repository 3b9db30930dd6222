"""Language models on Triton's vLLM backend: text in, pieces of text out.

https://github.com/triton-inference-server/vllm_backend
"""

from __future__ import annotations

import re
from collections.abc import Generator

from app import offload
from app.backends.contract_kinds import check_inputs
from app.backends.generation import Capabilities, GenerationJob
from app.backends.job_reader import JobReader, run_job
from app.backends.refusals import alternatives_refused, requests_own, structure_refused
from app.backends.sending import Values
from app.backends.streamed_model import StreamedModel, check_tensors
from app.backends.structure_texts import MAX_CHARACTERS_ON_LOOP, StructureTexts
from app.backends.text_prompt import prompt_text
from app.backends.vllm_parameters import GUIDES, read_guide, read_stops, sampling_json
from app.backends.vllm_reader import VllmReader
from app.chunks import Tokens
from app.errors import BackendError, ContextLengthExceeded
from app.prompting.tokenizers import Tokenizer
from app.registry import LanguageModelSpec
from app.triton.contract import ModelContract
from app.triton.grpc_connection import GrpcConnection
from app.triton.replicas import Replicas

REQUIRED_INPUTS = ("text_input", "sampling_parameters", "stream")
FIELDS = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "ignore_eos",
        "skip_special_tokens",
        "stop_token_ids",
    }
)
# What later releases brought, by an input that the first of them, or one soon after, declares.
LATER_FIELDS = {
    "exclude_input_in_output": {"seed", "min_tokens"},
    "return_finish_reason": {"bad_words", "logit_bias", "structured_output"},
    "return_logprobs": {"logprobs"},
}
NEVER = {
    "beam_width": "Triton's vLLM backend has no beam search",
    "length_penalty": "Triton's vLLM backend has no beam search",
}
# vLLM's max_logprobs, unless its engine is configured otherwise; older engines allow 5.
MAX_LOGPROBS = 20
# Releases with the first key also take embeddings; earlier ones know the second alone.
STRUCTURE_KEYS = ("structured_outputs", "guided_decoding")
TOO_LONG = re.compile("longer than the maximum model length|maximum context length|is too long")


class Vllm:
    """One model with the vLLM backend's contract."""

    def __init__(
        self, spec: LanguageModelSpec, replicas: Replicas[GrpcConnection], tokenizer: Tokenizer
    ) -> None:
        self._spec = spec
        self._tokenizer = tokenizer
        self._guides = StructureTexts(read_guide)
        self._model = StreamedModel(spec, replicas)
        self.replicas = replicas

    def capabilities(self) -> Capabilities:
        """What the release of the backend knows. Raises BackendError for another contract."""
        declared = self._model.checked(_check_inputs).inputs
        reasons = {
            field: f"the model in Triton declares no input {name}, so its backend is too old"
            for name, fields in LATER_FIELDS.items()
            for field in fields
            if name not in declared
        }
        later = {field for fields in LATER_FIELDS.values() for field in fields}
        return Capabilities(
            fields=FIELDS | (later - set(reasons)),
            reasons={**reasons, **NEVER},
            max_top_logprobs=0 if "logprobs" in reasons else MAX_LOGPROBS,
            has_bans_only=True,
            structures=frozenset()
            if "structured_output" in reasons
            else frozenset({"json_object", *GUIDES}),
            takes_text=True,
        )

    def check_contract(self) -> None:
        """Refuse a model that does not have this contract."""
        contract = self._model.checked(_check_inputs)
        known = {*REQUIRED_INPUTS, "exclude_input_in_output", *self._spec.facts.extra_inputs}
        check_tensors(contract, ("text_output",), known)

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """The text of the job's only continuation as it comes; the last has a `finish_reason`."""
        try:
            yield from run_job(self._model, job, lambda contract: self._start(job, contract))
        except BackendError as error:
            raise requests_own(error, job, REFUSALS) from None

    def _start(self, job: GenerationJob, contract: ModelContract) -> tuple[Values, JobReader]:
        facts, item = self._spec.facts, job.continuations[0]
        is_old = "exclude_input_in_output" not in contract.inputs
        prompt = prompt_text(
            self._tokenizer,
            item.prompt_ids,
            adds_special_tokens=self._spec.adds_special_tokens is not False,
            is_checked=not self._spec.special_tokens_in_content,
            param=job.request.prompt_param,
        )
        stops = read_stops(job, facts, self._tokenizer, has_stops=not is_old)
        structure = self._structure(job, contract)
        # A ban names all other tokens, which takes 64 ms for 152,000.
        is_long = bool(job.request.sampling.logit_bias) or any(
            len(text) > MAX_CHARACTERS_ON_LOOP for text in structure.values()
        )
        parameters = offload.run_if(
            is_long, sampling_json, job, facts, self._tokenizer, stops, structure
        )
        values = {
            **facts.extra_inputs,
            "text_input": prompt,
            "stream": True,
            "sampling_parameters": parameters,
            "exclude_input_in_output": True,
            "return_finish_reason": True,
            "return_num_output_tokens": True,
            "return_logprobs": job.request.sampling.logprobs is not None,
        }
        return values, VllmReader(self._tokenizer, job, stops, prompt if is_old else "")

    def _structure(self, job: GenerationJob, contract: ModelContract) -> dict[str, str]:
        """The parameters that ask for a structure."""
        structure = job.request.sampling.structured_output
        guessed = STRUCTURE_KEYS["embedding_request" not in contract.inputs]
        key = self._spec.structured_output_key or guessed
        return {} if structure is None else {key: self._guides.of(structure)}


def _check_inputs(contract: ModelContract) -> None:
    check_inputs(contract, "vllm", REQUIRED_INPUTS)


def _too_long(words: str, _: GenerationJob) -> ContextLengthExceeded | None:
    if not TOO_LONG.search(words):
        return None
    return ContextLengthExceeded(
        "the prompt and the tokens asked for are longer than the model's context"
    )


REFUSALS = (_too_long, structure_refused, alternatives_refused)
