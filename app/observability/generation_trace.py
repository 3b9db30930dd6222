"""One call of a language model as a span: what it was asked for, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

from app.chunks import Chunk
from app.types import ChatRequest, Generation, Trace


def begin_call(
    trace: Trace | None, request: Generation, max_tokens: int, num_choices: int
) -> Trace | None:
    """The span of a call below `trace`; None where nothing is traced."""
    if trace is None:
        return None
    operation = "chat" if isinstance(request, ChatRequest) else "text_completion"
    return trace.call(operation, request.model, _asked(request, max_tokens, num_choices))


def followed(
    chunks: Generator[Chunk, None, None], call: Trace, num_prompt_tokens: int, num_choices: int
) -> Generator[Chunk, None, None]:
    """The chunks; the span ends with them, whoever ends them."""
    answer = _Answer(call, num_prompt_tokens)
    try:
        for chunk in chunks:
            answer.take(chunk)
            yield chunk
    except GeneratorExit as left:
        # Who has all that there is need not look for more.
        answer.end(None if len(answer.reasons) == num_choices else left)
        raise
    except Exception as error:
        answer.end(error)
        raise
    else:
        answer.end(None)
    finally:
        chunks.close()


class _Answer:
    """What has come so far, of all choices."""

    def __init__(self, call: Trace, num_prompt_tokens: int) -> None:
        self._call = call
        self._num_prompt_tokens = num_prompt_tokens
        self._begun = time.monotonic()
        self._counts: dict[int, int] = {}
        self.reasons: dict[int, str] = {}

    def take(self, chunk: Chunk) -> None:
        if chunk.num_tokens and not self._counts:
            self._call.event("first token")
            seconds = time.monotonic() - self._begun
            self._call.note({"gen_ai.response.time_to_first_chunk": seconds})
        if chunk.num_tokens:
            self._counts[chunk.index] = chunk.num_tokens
        if chunk.finish_reason is not None:
            self.reasons[chunk.index] = chunk.finish_reason

    def end(self, error: BaseException | None) -> None:
        found: dict[str, Any] = {
            "gen_ai.usage.input_tokens": self._num_prompt_tokens,
            "gen_ai.usage.output_tokens": sum(self._counts.values()),
        }
        if self.reasons:
            found["gen_ai.response.finish_reasons"] = [
                self.reasons[index] for index in sorted(self.reasons)
            ]
        self._call.note(found)
        self._call.end(error)


def _asked(request: Generation, max_tokens: int, num_choices: int) -> Mapping[str, Any]:
    sampling = request.sampling
    return {
        "gen_ai.request.max_tokens": max_tokens,
        "gen_ai.request.temperature": sampling.temperature,
        "gen_ai.request.top_p": sampling.top_p,
        "gen_ai.request.top_k": sampling.top_k,
        "gen_ai.request.frequency_penalty": sampling.frequency_penalty,
        "gen_ai.request.presence_penalty": sampling.presence_penalty,
        "gen_ai.request.seed": sampling.seed,
        "gen_ai.request.choice.count": num_choices if num_choices > 1 else None,
        "gen_ai.request.stream": request.stream,
    }
