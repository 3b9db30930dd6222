"""The FastAPI baseline's path from a chat to its answer's text: template, Triton, detokenising."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoTokenizer

from benchmarks.peers.chat_models import ChatRequest, Usage
from benchmarks.peers.fastertransformer import (
    NewIds,
    Prompt,
    infer_request,
    open_channel,
    open_stub,
)
from benchmarks.peers.text_stream import Detokenizer, StopStrings

RANDOM_SEED = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """What one worker serves; lengths in tokens."""

    target: str
    tokenizer: str
    chat_template: str | None
    json: str
    max_model_len: int


class Engine:
    """The tokenizer and the channel to Triton, shared by all requests of a worker."""

    def __init__(self, settings: Settings) -> None:
        """To be made where the event loop runs."""
        self.settings = settings
        self.tokenizer = AutoTokenizer.from_pretrained(settings.tokenizer, local_files_only=True)
        if settings.chat_template:
            self.tokenizer.chat_template = Path(settings.chat_template).read_text(encoding="utf-8")
        self.channel = open_channel(settings.target)
        self.stub = open_stub(self.channel)

    def generation(self, request: ChatRequest) -> Generation:
        """The request with its prompt. Raises ValueError: the model has no room for an answer."""
        messages = [{"role": each.role, "content": each.text()} for each in request.messages]
        ids = self.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False
        )
        room = self.settings.max_model_len - len(ids)
        if room < 1:
            raise ValueError(f"The prompt has {len(ids)} tokens, which leaves none for the answer.")
        asked = request.max_completion_tokens or request.max_tokens or room
        return Generation(self, request, ids, min(asked, room))


class Generation:
    """One answer while it is generated."""

    def __init__(
        self, engine: Engine, request: ChatRequest, prompt_ids: list[int], max_tokens: int
    ) -> None:
        self._engine = engine
        self._prompt_ids = prompt_ids
        self._stops = request.stops()
        self._end_id = engine.tokenizer.eos_token_id
        self._message = infer_request(
            request.model, Prompt(prompt_ids, max_tokens, _options(request, self._end_id))
        )
        self._num_tokens = 0
        self.finish_reason = "length"

    @property
    def usage(self) -> Usage:
        """What has been used so far."""
        prompt, completion = len(self._prompt_ids), self._num_tokens
        return Usage(
            prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
        )

    async def texts(self) -> AsyncGenerator[str, None]:
        """The answer's text as it comes; closing the iterator cancels the request."""
        raw = self._engine.tokenizer.backend_tokenizer
        detokenizer, stops = Detokenizer(raw, self._prompt_ids), StopStrings(self._stops)
        async with aclosing(self._ids()) as batches:
            async for ids in batches:
                if text := stops.push(detokenizer.push(ids)):
                    yield text
                if stops.is_stopped:
                    self.finish_reason = "stop"
                    return
        if text := stops.push(detokenizer.flush()) + stops.flush():
            yield text

    async def whole(self) -> str:
        """The whole answer; without stop strings it is decoded once, at its end."""
        if self._stops:
            return "".join([text async for text in self.texts()])
        ids = [token_id async for batch in self._ids() for token_id in batch]
        text: str = self._engine.tokenizer.decode(ids, skip_special_tokens=True)
        return text

    async def _ids(self) -> AsyncGenerator[list[int], None]:
        call = self._engine.stub.ModelStreamInfer()
        try:
            await call.write(self._message)
            await call.done_writing()
            new_ids = NewIds(len(self._prompt_ids))
            async for message in call:
                ids = self._without_end(new_ids.of(message).tolist())
                if ids:
                    yield ids
                if self.finish_reason == "stop":
                    return
        finally:
            call.cancel()  # does nothing to a call that has ended

    def _without_end(self, ids: list[int]) -> list[int]:
        if self._end_id in ids:
            ids = ids[: ids.index(self._end_id)]
            self.finish_reason = "stop"
        self._num_tokens += len(ids)
        return ids


def _options(request: ChatRequest, end_id: int) -> dict[str, float]:
    seed = RANDOM_SEED if request.seed is None else request.seed
    common = {"end_id": end_id, "random_seed": seed}
    if request.temperature == 0:
        return {**common, "runtime_top_k": 1}
    return {
        **common,
        "temperature": request.temperature,
        "runtime_top_k": 0,
        "runtime_top_p": request.top_p,
    }
