"""What the clients are asked, and what the server answers to plain HTTP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tests.live.http import Server

CHAT_MODEL = "demo-chat"
EMBEDDER = "all-minilm-l6-v2"
RERANKER = "minilm-reranker"
TEXTS = ["The cat sits on the mat.", "Paris is the capital of France.", "naïve 你好 🙂"]
QUESTION: dict[str, Any] = {
    "query": "What is the capital of France?",
    "documents": ["Cats sleep a lot.", "Paris is the capital of France.", "Bananas are yellow."],
}
# `ft-parrot` repeats its user, so it calls the tool as models do that write Hermes' form.
TOOL_CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def chat_text(server: Server, content: str = "你好", **fields: Any) -> str:
    """The text of a whole, greedy answer to one user message."""
    messages = fields.pop("messages", [{"role": "user", "content": content}])
    body = {"model": CHAT_MODEL, "messages": messages, "temperature": 0, **fields}
    text: str = server.post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"]
    return text


def completion_text(server: Server, prompt: str = "Once upon a time", **fields: Any) -> str:
    """The text of a whole, greedy completion."""
    body = {"model": CHAT_MODEL, "prompt": prompt, "temperature": 0, **fields}
    text: str = server.post("/v1/completions", body).json()["choices"][0]["text"]
    return text


def vectors(server: Server, texts: Sequence[str] = TEXTS) -> list[list[float]]:
    """The embeddings of texts that were sent as texts."""
    answer = server.post("/v1/embeddings", {"model": EMBEDDER, "input": list(texts)}).json()
    return [each["embedding"] for each in answer["data"]]


def ranking(server: Server, top_n: int = 2) -> list[list[float]]:
    """Index and score of the best documents of QUESTION."""
    body = {"model": RERANKER, "top_n": top_n, **QUESTION}
    answer = server.post("/v1/rerank", body).json()
    return [[each["index"], each["relevance_score"]] for each in answer["data"]]


def num_tokens(server: Server) -> int:
    """The tokens of TEXTS, as `/v1/embeddings` counts them."""
    answer = server.post("/v1/embeddings", {"model": EMBEDDER, "input": TEXTS}).json()
    tokens: int = answer["usage"]["prompt_tokens"]
    return tokens


def is_ranking(answer: Sequence[Sequence[Any]], expected: Sequence[Sequence[float]]) -> bool:
    """Whether a client's pairs of index and score, which more may follow, are those expected."""
    indices = [each[0] for each in answer] == [each[0] for each in expected]
    return indices and all(
        math.isclose(one[1], other[1], rel_tol=1e-6)
        for one, other in zip(answer, expected, strict=True)
    )


def are_close(ones: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> bool:
    """Whether two lists of vectors are the same but for rounding."""
    return all(math.dist(one, other) < 1e-5 for one, other in zip(ones, others, strict=True))
