"""How likely a model finds the tokens of a prompt, from the logits at each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app import offload
from app.chunks import TokenLogprob
from app.errors import InvalidRequest
from app.triton.errors import broken_contract
from app.triton.grpc_client.call import MAX_MESSAGE_BYTES
from app.triton.tensors import Array

FLOAT_BYTES = 4
# Working through more logits takes longer than the event loop can bear.
MAX_LOGITS_ON_LOOP = 256 * 1024


def longest_scored(vocabulary_size: int) -> int:
    """Of how many tokens a prompt may be whose logits one message holds."""
    return MAX_MESSAGE_BYTES // (vocabulary_size * FLOAT_BYTES) - 1


def check_size(num_tokens: int, vocabulary_size: int, param: str) -> None:
    """Refuse a prompt, the field `param`, whose logits are more than one message holds.

    Raises:
        InvalidRequest: names the longest prompt that can be scored.
    """
    most = longest_scored(vocabulary_size)
    if num_tokens > most:
        raise InvalidRequest(
            f"{param} has {num_tokens} tokens; with echo and logprobs this model takes {most}",
            param=param,
        )


def prompt_scores(logits: Array, ids: Sequence[int], num_top: int) -> list[TokenLogprob]:
    """The logprobs of all tokens but the first, with their alternatives, the best first.

    `logits` `[1, L, V]`: those after each of the prompt's `ids` `[L]`.

    Raises:
        BackendError: they are of another shape.
    """
    if logits.ndim != 3 or logits.shape[1] < len(ids) or logits.shape[2] <= max(ids):
        raise broken_contract(f"context_logits of shape {logits.shape} for {len(ids)} tokens")
    rows = logits[0, : len(ids) - 1]
    return offload.run_if(rows.size > MAX_LOGITS_ON_LOOP, _scores, rows, ids[1:], num_top)


def _scores(rows: Array, ids: Sequence[int], num_top: int) -> list[TokenLogprob]:
    return [
        _score(row.astype(np.float32), token_id, num_top)
        for row, token_id in zip(rows, ids, strict=True)
    ]


def _score(row: NDArray[np.float32], token_id: int, num_top: int) -> TokenLogprob:
    largest = row.max()
    row = row - largest - np.log(np.exp(row - largest).sum(dtype=np.float64)).astype(np.float32)
    best = np.argsort(-row, kind="stable")[:num_top] if num_top else ()
    top = tuple(TokenLogprob(int(each), float(row[each])) for each in best)
    return TokenLogprob(token_id, float(row[token_id]), top)
