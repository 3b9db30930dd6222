"""A little of everything that the numbers tell apart."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.live.http import Server
from tests.live.waiting import wait_until

LLM, SLOW, EMBEDDING, RERANKER = "demo-chat", "ft-slow", "all-minilm-l6-v2", "minilm-reranker"
SERVED = (LLM, SLOW, EMBEDDING, RERANKER)
# One with a single place, and one whose Triton is not there.
NARROW, AWAY = "narrow", "away"
STORY: dict[str, Any] = {"prompt": "Once upon a time", "temperature": 0}
LONG = {**STORY, "max_tokens": 900, "repetition_penalty": 1.3}
QUESTION = [{"role": "user", "content": "How do I start the server?"}]
NUM_ROUNDS = 3
# Enough for the breaker of each of two workers.
NUM_FAILURES = 12


class Traffic:
    """What a server was asked; `num_prompt` and `num_completion` are LLM's tokens by `usage`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.num_answered = 0
        self.num_unknown = 0
        self.num_abandoned = 0
        self.num_prompt = 0
        self.num_completion = 0

    def make(self) -> None:
        """All of it."""
        for _ in range(NUM_ROUNDS):
            self._answered()
        self._refused()
        self._failed()
        self._abandoned()

    def _answered(self) -> None:
        server = self._server
        bodies = {
            "/v1/completions": {"model": LLM, **STORY, "max_tokens": 20, "n": 2, "seed": 1},
            "/v1/chat/completions": {"model": LLM, "messages": QUESTION, "not_a_field": 1},
        }
        for path, body in bodies.items():
            self._count(server.post(path, body).json()["usage"])
        self.num_unknown += 1
        events = server.events("/v1/completions", {"model": LLM, **STORY, "max_tokens": 30})
        self._count(events[-1]["usage"])
        for path, more in (
            ("/v1/embeddings", {"model": EMBEDDING, "input": ["one", "two"]}),
            ("/v1/rerank", {"model": RERANKER, "query": "one", "documents": ["one", "two"]}),
        ):
            assert server.post(path, more).status == 200

    def _count(self, usage: dict[str, int]) -> None:
        self.num_answered += 1
        self.num_prompt += usage["prompt_tokens"]
        self.num_completion += usage["completion_tokens"]

    def _refused(self) -> None:
        server = self._server
        assert server.post("/v1/completions", {"model": LLM, **STORY, "n": 0}).status == 400
        assert server.post("/v1/completions", {"model": "no\nsuch", **STORY}).status == 404
        with ExitStack() as open_streams:
            # One of the two workers has two of three, at least.
            streams = [
                open_streams.enter_context(
                    server.stream("/v1/completions", {"model": NARROW, **LONG})
                )
                for _ in range(3)
            ]
            statuses = [stream.response.status for stream in streams]
        assert 429 in statuses, statuses

    def _failed(self) -> None:
        for _ in range(NUM_FAILURES):
            body = {"model": AWAY, **STORY, "max_tokens": 3}
            assert self._server.post("/v1/completions", body).status == 503

    def _abandoned(self) -> None:
        with self._server.stream("/v1/completions", {"model": SLOW, **LONG}) as stream:
            lines = stream.lines()
            wait_until(lambda: next(lines).startswith("data: "), "a token")
        self.num_abandoned += 1
