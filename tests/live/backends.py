"""Language models' backends in front of the tests' Triton, without the application."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.backends.fastertransformer import FasterTransformer
from app.backends.generation import Continuation, GenerationBackend, GenerationJob
from app.backends.tensorrt_llm import TensorrtLlm
from app.backends.vllm import Vllm
from app.chunks import TokenLogprob, Tokens
from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.tokenizers import Tokenizer, load_tokenizer
from app.registry import LanguageModelSpec, Timeouts
from app.registry.specs import GenerationFacts
from app.triton.model_replicas import language_replicas
from app.types import Generation, RequestContext, Sampling
from demo.triton import TritonServer
from tests.live.contracts import LANGUAGE_MODEL
from tests.live.entries import PATIENT

BEGIN, END = 0, 2


@dataclass(frozen=True)
class Answered:
    """One answer as it came, and what it adds up to."""

    parts: Sequence[Tokens]
    text: str

    @property
    def reason(self) -> str | None:
        return self.parts[-1].finish_reason

    @property
    def num_tokens(self) -> int | None:
        told = self.parts[-1].num_tokens
        return sum(len(part.ids) for part in self.parts) if told is None else told

    @property
    def logprobs(self) -> list[TokenLogprob]:
        return [entry for part in self.parts for entry in part.logprobs]


@cache
def tokenizer() -> Tokenizer:
    """The demo's own."""
    return load_tokenizer(LANGUAGE_MODEL)


def backend(server: TritonServer, name: str, **facts: Any) -> GenerationBackend:
    """The backend that a model's name begins with; `facts` are the model's entry."""
    spec = LanguageModelSpec(
        name=name,
        urls=(server.grpc_url,),
        timeouts=Timeouts(**PATIENT),
        folder=LANGUAGE_MODEL,
        triton_model=name,
        cancel="rpc",
        facts=GenerationFacts(**{"start_id": BEGIN, "end_id": END, "max_len": 1024, **facts}),
    )
    connection = language_replicas(spec)
    kinds = {"demo": FasterTransformer, "trt": TensorrtLlm, "vllm": Vllm}
    return kinds[name.partition("-")[0]](spec, connection, tokenizer())


def job(prompt: str | list[int], *, max_tokens: int = 40, **fields: Any) -> GenerationJob:
    """One continuation; `fields` are those of `Generation` and of `Sampling`, greedy if not said.

    A control token's text in a prompt of text is the token.
    """
    ids = tokenizer().encode(prompt) if isinstance(prompt, str) else prompt
    names = Generation.__dataclass_fields__
    own = {name: value for name, value in fields.items() if name in names}
    sampling = {name: value for name, value in fields.items() if name not in names}
    seed = sampling.get("seed")
    return GenerationJob(
        continuations=[Continuation(ids, max_tokens, seed=seed)],
        request=Generation(model="any", sampling=Sampling(**{"temperature": 0, **sampling}), **own),
        vocabulary_size=tokenizer().vocabulary_size,
        context=RequestContext("request"),
        patience=60,
        when_ended=lambda: None,
    )


def answered(served: GenerationBackend, asked: GenerationJob) -> Answered:
    """The whole answer, its tokens turned into text where the model has not done it."""
    parts = list(served.generate(asked))
    if any(part.text is not None for part in parts):
        return Answered(parts, "".join(part.text or "" for part in parts))
    detokenizer = IncrementalDetokenizer(tokenizer(), asked.continuations[0].prompt_ids)
    text = "".join(detokenizer.push(part.ids) for part in parts) + detokenizer.flush()
    return Answered(parts, text)
