"""Language models on Triton's FasterTransformer backend: token ids in, cumulative ids out.

https://github.com/triton-inference-server/fastertransformer_backend
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

from app.backends.answer import Answer
from app.backends.answer_readers import BeamsReader, RowsReader
from app.backends.contract_kinds import check_inputs
from app.backends.cumulative_output import CumulativeOutput, OutputRow
from app.backends.fastertransformer_inputs import NEUTRAL, OWN_INPUTS, Inputs
from app.backends.generation import Capabilities, GenerationJob
from app.backends.job_reader import JobReader, run_job
from app.backends.sampling_rules import end_id_of, ends_of
from app.backends.sending import Values
from app.backends.streamed_model import StreamedModel, check_tensors
from app.chunks import Tokens
from app.prompting.tokenizers import Tokenizer
from app.registry import LanguageModelSpec
from app.triton.contract import ModelContract
from app.triton.grpc_connection import GrpcConnection
from app.triton.replicas import Replicas

# Which tensor a model must declare for a field of a request.
TENSORS: Mapping[str, str] = {
    "temperature": "temperature",
    "top_p": "runtime_top_p",
    "top_k": "runtime_top_k",
    "repetition_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "random_seed",
    "logit_bias": "bad_words_list",
    "bad_words": "bad_words_list",
    "min_tokens": "min_length",
    "ignore_eos": "end_id",
    "beam_width": "beam_width",
    "length_penalty": "len_penalty",
    "logprobs": "is_return_log_probs",
}
NEVER = {
    "min_p": "FasterTransformer has no such parameter",
    "structured_output": "FasterTransformer cannot enforce a structure",
}
# Rows of one call, unless the configuration says more: what FasterTransformer allocates grows with
# them, and so does what a message costs here.
DEFAULT_BATCH = 16
REQUIRED_INPUTS = ("input_ids", "input_lengths", "request_output_len")
REQUIRED_OUTPUTS = ("output_ids", "sequence_length")


class FasterTransformer:
    """One model with FasterTransformer's contract."""

    def __init__(
        self, spec: LanguageModelSpec, replicas: Replicas[GrpcConnection], tokenizer: Tokenizer
    ) -> None:
        self._spec = spec
        # Which tokens are reasoning, or end the only call, is counted message by message.
        is_parsed = spec.reasoning_parser is not None or spec.tool_call_parser is not None
        self._model = StreamedModel(spec, replicas, is_cumulative=not is_parsed)
        self._inputs = Inputs(spec.facts, tokenizer)
        self.replicas = replicas

    def capabilities(self) -> Capabilities:
        """What the model declares tensors for. Raises BackendError for another contract."""
        contract = self._model.checked(_check_inputs)
        absent = {field for field, name in TENSORS.items() if name not in contract.inputs}
        reasons = {
            field: f"the model in Triton declares no input {TENSORS[field]}" for field in absent
        }
        if "output_log_probs" not in contract.outputs:
            absent.add("logprobs")
            reasons["logprobs"] = "the model in Triton declares no output output_log_probs"
        return Capabilities(
            fields=frozenset(TENSORS) - absent,
            reasons={**reasons, **NEVER},
            has_bans_only=True,
            batch_size=self._batch_size(contract),
        )

    def check_contract(self) -> None:
        """Refuse a model that does not have this contract."""
        known = {*REQUIRED_INPUTS, *OWN_INPUTS, *NEUTRAL, *self._spec.facts.extra_inputs}
        contract = self._model.checked(_check_inputs)
        check_tensors(contract, REQUIRED_OUTPUTS, known)

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """The tokens of all continuations as they come; each one's last has a `finish_reason`."""
        return run_job(self._model, job, lambda contract: self._start(job, contract))

    def _start(self, job: GenerationJob, contract: ModelContract) -> tuple[Values, JobReader]:
        is_beams = job.request.sampling.beam_width is not None
        reader = BeamsReader if is_beams else RowsReader
        return self._inputs.of(job, contract), reader(self._answers(job), contract)

    def _answers(self, job: GenerationJob) -> list[Answer]:
        is_beams = job.request.sampling.beam_width is not None
        padded = max(len(item.prompt_ids) for item in job.continuations)
        width = padded + max(item.max_tokens for item in job.continuations)
        facts = self._spec.facts
        ends, end_id = ends_of(job.request, facts), end_id_of(job.request.sampling, facts)
        needs_logprobs = job.request.sampling.logprobs is not None
        answers = []
        for index, item in enumerate(job.continuations):
            row, beam = (0, index) if is_beams else (index, 0)
            place = OutputRow(item.prompt_ids, item.max_tokens, padded, width, row, beam)
            output = CumulativeOutput(
                place, end_id, job.vocabulary_size, needs_logprobs=needs_logprobs
            )
            answers.append(Answer(output, ends, index))
        return answers

    def _batch_size(self, contract: ModelContract) -> int:
        """FasterTransformer itself runs one request after another, but a batch at once."""
        is_serial = contract.backend == "fastertransformer"
        wanted = self._spec.batch_size or (DEFAULT_BATCH if is_serial else 1)
        return max(min(wanted, contract.max_batch_size), 1)


def _check_inputs(contract: ModelContract) -> None:
    check_inputs(contract, "fastertransformer", REQUIRED_INPUTS)
