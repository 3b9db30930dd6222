"""Language models on Triton's FasterTransformer backend: token ids in, cumulative ids out.

https://github.com/triton-inference-server/fastertransformer_backend
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from app.backends.answer import END, Answer
from app.backends.cumulative_output import CumulativeOutput
from app.backends.generation import GenerationJob
from app.backends.word_lists import encode_words
from app.errors import ApiError, UnsupportedParameter
from app.registry import LanguageModelSpec
from app.triton.contract import KeptContract, ModelContract, TensorSpec
from app.triton.errors import ContractMismatch, broken_contract, is_transport_failure
from app.triton.grpc_connection import GrpcConnection
from app.triton.model_stream import EndOfStream, ModelStream
from app.triton.tensors import Array, cast, infer_request
from app.types import Sampling, Tokens, first_given

log = logging.getLogger(__name__)

# Which tensor carries which field of a request.
TENSORS = {
    "temperature": "temperature",
    "top_p": "runtime_top_p",
    "top_k": "runtime_top_k",
    "repetition_penalty": "repetition_penalty",
    "seed": "random_seed",
}
# What a greedy answer does without.
OF_CHANCE = ("temperature", "top_p", "top_k")
REQUIRED_INPUTS = ("input_ids", "input_lengths", "request_output_len")
REQUIRED_OUTPUTS = ("output_ids", "sequence_length")
# Further inputs that every request has a value for.
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
# Below it FasterTransformer's 1 / (temperature + 1e-6) leaves float32's range of use.
MIN_TEMPERATURE = 1e-4
# FasterTransformer divides by it, and smaller numbers become 0 in float32.
MIN_PENALTY = 1e-6
MASK_64 = 2**64 - 1


class FasterTransformer:
    """One model with FasterTransformer's contract."""

    def __init__(self, spec: LanguageModelSpec, connection: GrpcConnection) -> None:
        self._spec = spec
        self._facts = spec.facts
        self._connection = connection
        self._contract = KeptContract(
            lambda: connection.contract(spec.triton_model, spec.triton_version, spec.timeouts)
        )

    def check_sampling(self, sampling: Sampling) -> None:
        """Refuse a field for which the model declares no tensor."""
        declared = self._contract.get().inputs
        is_greedy = _is_greedy(sampling.temperature, sampling.top_p)
        for field, tensor in TENSORS.items():
            value = getattr(sampling, field)
            is_harmless = value in (None, NEUTRAL.get(tensor)) or (field == "top_k" and value < 1)
            is_covered = is_greedy and field in OF_CHANCE and "runtime_top_k" in declared
            if tensor not in declared and not is_harmless and not is_covered:
                raise UnsupportedParameter(f"{field} is not supported by this model", param=field)

    def check_contract(self) -> None:
        """Refuse a model that does not have this contract."""
        contract = self._contract.get()
        absent = [name for name in REQUIRED_INPUTS if name not in contract.inputs]
        absent += [name for name in REQUIRED_OUTPUTS if name not in contract.outputs]
        if absent:
            raise broken_contract(f"the model declares no {', '.join(absent)}")
        unknown = {name for name, tensor in contract.inputs.items() if not tensor.is_optional}
        unknown -= {*REQUIRED_INPUTS, *OWN_INPUTS, *NEUTRAL, *self._facts.extra_inputs}
        if unknown:
            raise broken_contract(f"the model requires {', '.join(sorted(unknown))}")

    def is_ready(self) -> bool:
        """Whether Triton says that the model is ready."""
        spec = self._spec
        return self._connection.is_model_ready(
            spec.triton_model, spec.triton_version, spec.timeouts.connect
        )

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """Token ids as they come; the last has a `finish_reason`."""
        stream: ModelStream | None = None
        answer = self._answer(job)
        is_drained = False
        try:
            contract = self._contract.get()
            is_drained = self._is_drained(contract)
            stream = self._send(job, contract)
            try:
                message = self._next(stream, job)
            except ContractMismatch:
                job.context.cancellation.forget(stream.interrupt)
                stream.cancel()
                contract = self._changed(contract)
                stream = self._send(job, contract)
                message = self._next(stream, job)
            while not answer.is_over:
                tokens = answer.tokens(message)
                if tokens.ids or message is None or answer.is_over:
                    yield tokens
                message = END if answer.is_over else self._next(stream, job)
        finally:
            if stream is None:
                job.when_ended()
            else:
                has_ended = answer.has_ended_itself("stop_words_list" in contract.inputs)
                self._leave(stream, job, is_drained=is_drained or has_ended)

    def _answer(self, job: GenerationJob) -> Answer:
        facts = self._facts
        output = CumulativeOutput(job.prompt_ids, job.max_tokens, facts.end_id, job.vocabulary_size)
        return Answer(output, {facts.end_id, *facts.end_ids}, facts.stop_words)

    def _send(self, job: GenerationJob, contract: ModelContract) -> ModelStream:
        spec = self._spec
        request = infer_request(
            spec.triton_model,
            spec.triton_version,
            job.context.request_id,
            self._declared(self._values(job), contract),
        )
        log.debug(
            "%s: %s gets %d prompt tokens and may add %d",
            job.context.request_id,
            spec.name,
            len(job.prompt_ids),
            job.max_tokens,
        )
        stream = self._connection.stream(request, spec.timeouts)
        job.context.cancellation.on_cancel(stream.interrupt)
        return stream

    def _next(self, stream: ModelStream, job: GenerationJob) -> Any | None:
        """The next message, None after a while without one, or END at the end."""
        try:
            return stream.next(job.patience)
        except EndOfStream:
            return END
        except ApiError as error:
            if is_transport_failure(error):
                self._contract.forget()
            raise

    def _changed(self, known: ModelContract) -> ModelContract:
        self._contract.forget()
        contract = self._contract.get()
        if contract == known:
            raise broken_contract("Triton refuses tensors that the model's configuration declares")
        log.info("the model %s has changed in Triton; sending again", self._spec.name)
        return contract

    @staticmethod
    def _leave(stream: ModelStream, job: GenerationJob, *, is_drained: bool) -> None:
        job.context.cancellation.forget(stream.interrupt)
        if is_drained:
            stream.drain()
        else:
            stream.cancel()
        stream.when_ended(job.when_ended)

    def _is_drained(self, contract: ModelContract) -> bool:
        if self._spec.cancel is not None:
            return self._spec.cancel == "drain"
        # FasterTransformer itself generates to the end whatever the client does.
        return contract.backend == "fastertransformer"

    def _values(self, job: GenerationJob) -> dict[str, Any]:
        """Every value that this request has for a tensor, by the tensor's name."""
        facts = self._facts
        ends = [(token_id,) for token_id in facts.end_ids]
        values = {
            **facts.extra_inputs,
            "input_ids": [job.prompt_ids],
            "input_lengths": len(job.prompt_ids),
            "request_output_len": job.max_tokens,
            "start_id": facts.start_id,
            "end_id": facts.end_id,
            "mask_positions": facts.mask_positions or (-1,),
            **self._sampling_values(job.sampling),
        }
        for tensor, words in (
            ("bad_words_list", facts.bad_words),
            ("stop_words_list", (*facts.stop_words, *ends)),
        ):
            if words:
                values[tensor] = encode_words(words)
        return values

    def _sampling_values(self, sampling: Sampling) -> dict[str, Any]:
        facts = self._facts
        temperature = first_given(sampling.temperature, facts.temperature, 1.0)
        top_p = first_given(sampling.top_p, facts.top_p, 1.0)
        top_k = max(first_given(sampling.top_k, facts.top_k, 0), 0)
        seed = first_given(sampling.seed, secrets.randbits(64))
        values: dict[str, Any] = {"random_seed": np.uint64(seed & MASK_64)}
        penalty = first_given(sampling.repetition_penalty, facts.repetition_penalty)
        if penalty is not None:
            values["repetition_penalty"] = max(penalty, MIN_PENALTY)
        if _is_greedy(temperature, top_p):
            # Greedy; a temperature of 0 would multiply the logits by a million instead.
            return {**values, "runtime_top_k": 1}
        # Without either of the two FasterTransformer is greedy, so both are always sent.
        return {
            **values,
            "temperature": temperature,
            "runtime_top_k": top_k,
            "runtime_top_p": top_p,
        }

    def _declared(
        self, values: Mapping[str, Any], contract: ModelContract
    ) -> dict[str, tuple[str, Array]]:
        """The declared tensors as (datatype, array). Triton itself only checks their number.

        Raises:
            BackendError: the model requires a tensor that nothing here has a value for.
        """
        required = {name for name, tensor in contract.inputs.items() if not tensor.is_optional}
        values = {name: NEUTRAL[name] for name in required if name in NEUTRAL} | dict(values)
        missing = sorted(required - set(values))
        if missing:
            raise broken_contract(f"the model requires {', '.join(missing)}; see extra_inputs")
        return {
            name: (tensor.datatype, self._shaped(values[name], tensor, contract))
            for name, tensor in contract.inputs.items()
            if name in values
        }

    @staticmethod
    def _shaped(value: Any, tensor: TensorSpec, contract: ModelContract) -> Array:
        array = cast(value, tensor.datatype)
        num_dims = len(tensor.dims) + (1 if contract.max_batch_size else 0)
        return array.reshape((1,) * max(num_dims - array.ndim, 0) + array.shape)


def _is_greedy(temperature: float | None, top_p: float | None) -> bool:
    return top_p == 0 or (temperature is not None and temperature < MIN_TEMPERATURE)
