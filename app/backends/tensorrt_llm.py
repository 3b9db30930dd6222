"""Language models on Triton's TensorRT-LLM backend, by token ids or by text.

https://github.com/triton-inference-server/tensorrtllm_backend
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from app.backends.contract_kinds import check_inputs
from app.backends.generation import Capabilities, GenerationJob
from app.backends.job_reader import run_job
from app.backends.prompt_scoring import LateEnd, is_refusal
from app.backends.refusals import beams_refused, requests_own, structure_refused
from app.backends.streamed_model import StreamedModel
from app.backends.tensorrt_llm_text import TextLevel
from app.backends.tensorrt_llm_tokens import TokenLevel
from app.chunks import Tokens
from app.errors import BackendError
from app.prompting.tokenizers import Tokenizer
from app.registry import LanguageModelSpec
from app.triton.contract import ModelContract
from app.triton.errors import broken_contract
from app.triton.grpc_connection import GrpcConnection
from app.triton.replicas import Replicas

REFUSALS = (structure_refused, beams_refused)


class TensorrtLlm:
    """One model; what it declares in Triton tells whether it takes token ids or text."""

    def __init__(
        self, spec: LanguageModelSpec, replicas: Replicas[GrpcConnection], tokenizer: Tokenizer
    ) -> None:
        self._model = StreamedModel(spec, replicas)
        self._tokens = TokenLevel(spec, tokenizer)
        self._text = TextLevel(spec, tokenizer)
        self.replicas = replicas

    def capabilities(self) -> Capabilities:
        """What the model takes. Raises BackendError for another contract."""
        contract = self._model.checked(self._level)
        return self._level(contract).capabilities(contract)

    def check_contract(self) -> None:
        """Refuse a model that has neither contract."""
        contract = self._model.checked(self._level)
        self._level(contract).check(contract)

    def generate(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """The tokens of all continuations as they come; each one's last has a `finish_reason`."""
        run = self._run_scored if job.request.scores_prompt else self._run
        try:
            yield from run(job)
        except BackendError as error:
            raise requests_own(error, job, REFUSALS) from None

    def _run(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        return run_job(
            self._model, job, lambda contract: self._level(contract).start(job, contract)
        )

    def _run_scored(self, job: GenerationJob) -> Generator[Tokens, None, None]:
        """Once more without scores if the engine refuses them, which comes before any token."""
        ended, again = LateEnd(job.when_ended), None
        try:
            yield from self._run(replace(job, when_ended=ended))
        except BackendError as error:
            if not is_refusal(error):
                raise
            again = self._tokens.scoring.failed(job, self._model.contract)
        finally:
            if again is None:
                ended()
        if again is not None:
            yield from self._run(again)

    def _level(self, contract: ModelContract) -> TokenLevel | TextLevel:
        """What fits the model. Raises BackendError for another contract's inputs."""
        level = self._tokens if "input_ids" in contract.inputs else self._text
        if not {"input_ids", "text_input"} & set(contract.inputs):
            raise broken_contract("the model declares neither input_ids nor text_input")
        check_inputs(contract, "tensorrt_llm", level.required)
        return level
