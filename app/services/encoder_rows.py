"""The texts and token ids of a request as rows for an encoder, none longer than it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app import offload
from app.backends.encoder_batches import Row
from app.errors import ContextLengthExceeded, InvalidRequest
from app.observability.tracing import step
from app.services.catalogue import EmbeddingModel, RerankModel
from app.services.input_checks import check_vocabulary, is_long
from app.types import Prompt, Truncation


@dataclass(frozen=True, slots=True)
class Given:
    """What a request gives: `field` is its name there, for messages.

    `limit_param` is the name of its `Truncation.max_tokens`.
    """

    field: str
    items: Sequence[Prompt]
    limit_param: str = "truncate_prompt_tokens"

    def param(self, index: int) -> str:
        """The place of one item, which is the field itself where there is only one."""
        return f"{self.field}[{index}]" if len(self.items) > 1 else self.field


def single_rows(
    model: EmbeddingModel,
    given: Given,
    truncation: Truncation,
    *,
    add_special_tokens: bool = True,
) -> list[list[int]]:
    """Ids of each text, or a request's own ids, with special tokens around.

    Raises:
        InvalidRequest: ids that the model does not take, or that nobody has; an item without a
            token.
        ContextLengthExceeded: an item is too long and must not be cut.
        ApiError: Triton cannot be asked how long a row may be.
    """
    # Triton is asked here, because the tokenising may happen in a thread without the event loop.
    longest = model.backend.max_tokens()
    cut_to = _cut_to(longest, truncation)
    if truncation.max_tokens is not None and add_special_tokens:
        num_special = model.tokenizer.codec.single.num_special
        _check_room(truncation.max_tokens, num_special, given.limit_param)

    size = sum(map(len, given.items))
    with step("tokenize"):
        rows: list[list[int]] = offload.run_if(
            is_long(size), _encode, model, given, cut_to, truncation.is_left, add_special_tokens
        )
    lengths = [len(row) for row in rows]
    _check_lengths(lengths, longest, given)
    if truncation.max_tokens is not None:
        _check_lengths(lengths, truncation.max_tokens, given, f"{given.limit_param} is")
    return rows


def _encode(
    model: EmbeddingModel,
    given: Given,
    cut_to: int | None,
    is_left: bool | None,
    add_special_tokens: bool,
) -> list[list[int]]:
    texts = _texts(model, given)
    if texts is not None:
        return model.tokenizer.encode_batch(
            texts,
            max_tokens=cut_to,
            add_special_tokens=add_special_tokens,
            is_cut_left=is_left,
        )
    return [
        model.tokenizer.wrap(
            ids, max_tokens=cut_to, add_special_tokens=add_special_tokens, is_cut_left=is_left
        )
        for ids in _checked_ids(model, given)
    ]


def pair_rows(
    model: RerankModel,
    queries: Given,
    given: Given,
    truncation: Truncation,
    max_document_tokens: int | None = None,
) -> list[Row]:
    """Each of the given texts with its query: the only one, or the one at its place.

    Raises:
        InvalidRequest: a pair has no token.
        ContextLengthExceeded: a query leaves no room, or a pair is too long and must not be cut.
        ApiError: Triton cannot be asked how long a row may be.
    """
    longest = model.backend.max_tokens()
    texts = [item for item in given.items if isinstance(item, str)]
    asked = [item for item in queries.items if isinstance(item, str)]
    groups = [(asked[0], texts)]
    if len(asked) > 1:
        groups = [(query, [text]) for query, text in zip(asked, texts, strict=True)]

    def encode() -> list[Row]:
        return [
            Row(pair.ids, pair.type_ids)
            for index, (query, documents) in enumerate(groups)
            for pair in model.tokenizer.encode_pairs(
                query,
                documents,
                max_tokens=_cut_to(longest, truncation),
                max_document_tokens=max_document_tokens,
                is_cut_left=truncation.is_left,
                query_param=queries.param(index),
            )
        ]

    size = sum(map(len, asked)) + sum(map(len, texts))
    with step("tokenize"):
        rows: list[Row] = offload.run_if(is_long(size), encode)
    _check_lengths([len(row.ids) for row in rows], longest, given)
    return rows


def _cut_to(longest: int, truncation: Truncation) -> int | None:
    if not truncation.is_allowed:
        return None
    return min(longest, truncation.max_tokens or longest)


def _check_room(max_tokens: int, num_special: int, param: str) -> None:
    if max_tokens <= num_special:
        raise InvalidRequest(
            f"{param}: must be at least {num_special + 1} for this model, whose"
            f" special tokens are {num_special}; it was {max_tokens}",
            param=param,
        )


def _check_lengths(
    lengths: Sequence[int], longest: int, given: Given, limit: str = "the model takes"
) -> None:
    for index, length in enumerate(lengths):
        param = given.param(index)
        if not length:
            raise InvalidRequest(f"{param}: has no tokens for this model", param=param)
        if length > longest:
            raise ContextLengthExceeded(
                f"{param} has {length} tokens; {limit} {longest}", param=param
            )


def _texts(model: EmbeddingModel, given: Given) -> list[str] | None:
    """The texts, also those that token ids of cl100k stand for; None for the model's own ids."""
    if isinstance(given.items[0], str):
        return [item for item in given.items if isinstance(item, str)]
    if model.spec.id_policy == "reject":
        raise InvalidRequest(
            f"{given.field}: this model takes strings, not token ids", param=given.field
        )
    if model.cl100k is None:
        return None
    for index, ids in enumerate(given.items):
        wrong = model.cl100k.unknown([token_id for token_id in ids if isinstance(token_id, int)])
        if wrong is not None:
            param = given.param(index)
            raise InvalidRequest(f"{param}: cl100k_base has no token {wrong}", param=param)
    return [model.cl100k.decode(ids) for ids in given.items if not isinstance(ids, str)]


def _checked_ids(model: EmbeddingModel, given: Given) -> list[tuple[int, ...]]:
    rows = [item for item in given.items if not isinstance(item, str)]
    for index, ids in enumerate(rows):
        check_vocabulary(ids, model.tokenizer.vocabulary_size, given.param(index))
    return rows
