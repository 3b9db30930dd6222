"""A token must stay cheap: CPU time against a reference that is measured in the same run."""

from __future__ import annotations

import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from tokenizers.decoders import DecodeStream
from transformers import AutoTokenizer
from tritonclient.grpc import service_pb2

from app.backends.fastertransformer import FasterTransformer
from app.prompting.chat_templates import ChatTemplate
from app.prompting.tokenizers import load_tokenizer
from app.registry import LanguageModelSpec, Timeouts
from app.registry.specs import GenerationFacts
from app.services.admission import Admission
from app.services.catalogue import LanguageModel
from app.services.chat import Chat
from app.triton.contract import ModelContract, contract_from_config
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.status import Status
from app.triton.model_stream import ModelStream
from app.triton.replicas import Replicas, Sites
from app.types import ChatRequest, RequestContext
from app.web.sse import PLAIN, EventStreamBody
from demo.environment import DEMO
from tests.scripted_triton import model_config, row_message

FOLDER = DEMO / "models" / "demo-chat"
TEXT = "Once upon a time there was a brave turtle who lived in a green valley. 你好！ "
ROUNDS = 15
END_ID = 2


@pytest.fixture(autouse=True)
def _nothing_older() -> Iterator[None]:
    """The garbage collector does not look through what earlier tests have left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


class RecordedCall:
    """Messages that come one at a time, none before it is asked for."""

    def __init__(self, messages: list[bytes]) -> None:
        self._messages = iter(messages)

    def num_waiting(self) -> int:
        return 0

    def has_waiting(self) -> bool:
        return False

    def take(self, until: float) -> bytes:
        try:
            return next(self._messages)
        except StopIteration:
            raise CallEnded(Status("OK")) from None

    def wake(self) -> None:
        """Nobody waits."""

    cancel = discard = suspect = wake

    def when_ended(self, callback: Callable[[], None]) -> None:
        callback()


class RecordedTriton:
    """A FasterTransformer whose answers to a prompt were made before."""

    def __init__(self, num_tokens: int) -> None:
        self._num_tokens = num_tokens
        self.messages = lru_cache(self._messages)

    def contract(self, model: str, version: str, timeouts: Timeouts) -> ModelContract:
        return contract_from_config(model_config())

    def stream(
        self,
        request: Any,
        timeouts: Timeouts,
        *,
        deadline: float | None = None,
        is_cumulative: bool = False,
        traceparent: str | None = None,
    ) -> ModelStream:
        prompt = np.frombuffer(request.raw_input_contents[0], np.uint32).tolist()
        call = RecordedCall(self.messages(tuple(prompt)))
        return ModelStream(call, timeouts, is_cumulative=is_cumulative)

    def _messages(self, prompt: tuple[int, ...]) -> list[bytes]:
        count, ids = self._num_tokens, answer_ids(self._num_tokens)
        return [
            row_message(
                [*prompt, *ids[:num], *[END_ID] * (count - num)], len(prompt) + num
            ).SerializeToString()
            for num in range(1, count + 1)
        ]


@lru_cache
def answer_ids(count: int) -> list[int]:
    ids = load_tokenizer(FOLDER).encode(TEXT * count)
    return list(ids[:count])


def served(num_tokens: int) -> Callable[[], float]:
    """CPU seconds of one streamed chat of so many tokens, from Triton's messages to the writes."""
    tokenizer = load_tokenizer(FOLDER)
    spec = LanguageModelSpec(
        name="chat",
        urls=("127.0.0.1:1",),
        folder=FOLDER,
        triton_model="llm",
        facts=GenerationFacts(start_id=1, end_id=END_ID, max_len=8192),
    )
    triton = RecordedTriton(num_tokens)
    replicas = Replicas("chat", spec.urls, Sites(lambda _: triton), lambda _: True)
    backend = FasterTransformer(spec, replicas, tokenizer)  # type: ignore[arg-type]  # has what the backend calls
    template = ChatTemplate.from_source(tokenizer.chat_template or "")
    model = LanguageModel(spec, tokenizer, template, backend, Admission(9, 9, 1))
    messages = ({"role": "user", "content": "hi"},)

    def run() -> float:
        request = ChatRequest(model="chat", messages=messages, max_tokens=num_tokens, stream=True)
        context = RequestContext("request")
        events = Chat(model, request, "assistant").events(context, 15.0)
        first = next(events)
        started = time.thread_time()
        body = EventStreamBody(
            first, events, lambda error: pytest.fail(str(error)), PLAIN, context.arrivals
        )
        num_writes = sum(1 for _ in body)
        assert num_writes > num_tokens
        return time.thread_time() - started

    return run


def reference(num_tokens: int) -> Callable[[], float]:
    """The same with nothing but the libraries: parse, decode one token, write JSON."""
    raw_messages = RecordedTriton(num_tokens).messages((1, 5, 6, 7))
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)._tokenizer

    def frames() -> Iterator[bytes]:
        stream = DecodeStream(skip_special_tokens=True)
        for raw in raw_messages:
            response = service_pb2.ModelStreamInferResponse.FromString(raw).infer_response
            ids, length = response.raw_output_contents
            end = int(np.frombuffer(length, np.uint32)[0])
            text = stream.step(tokenizer, int(np.frombuffer(ids, np.uint32)[end - 1]))
            choice = {"index": 0, "delta": {"content": text or ""}, "finish_reason": None}
            event = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "choices": [choice]}
            yield b"data: " + json.dumps(event).encode() + b"\n\n"

    def run() -> float:
        started = time.thread_time()
        assert sum(1 for _ in frames()) == num_tokens
        return time.thread_time() - started

    return run


def ratio(above: Callable[[], float], below: Callable[[], float]) -> float:
    """The median of the ratios of runs that take turns."""
    return statistics.median(above() / below() for _ in range(ROUNDS))


def test_a_token_costs_little_more_than_the_libraries_alone() -> None:
    # About 1.4 where this was written.
    assert ratio(served(512), reference(512)) < 2.0


def test_a_token_costs_the_same_in_a_long_answer() -> None:
    assert ratio(served(2048), served(128)) / (2048 / 128) < 1.5
