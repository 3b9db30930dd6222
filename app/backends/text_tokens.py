"""Texts in a model's outputs, and the tokens that they make."""

from __future__ import annotations

from app import offload
from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.tokenizers import Tokenizer
from app.triton.errors import broken_contract
from app.triton.tensors import Array

# Characters above which tokenising leaves the event loop.
MAX_CHARACTERS_ON_LOOP = 4096
# Bytes that one token has at most, nearly always; counting shorter pieces would cost more than it
# tells.
ONE_TOKEN = 8


def texts_of(texts: Array, count: int) -> list[str]:
    """The texts of an output of BYTES, whatever its shape.

    Raises:
        BackendError: there are fewer or more, or they are no texts.
    """
    flat = texts.reshape(-1)
    if len(flat) != count or texts.dtype != object:
        raise broken_contract(f"text_output is {texts.dtype} of shape {texts.shape}")
    try:
        return [text.decode() for text in flat]
    except UnicodeDecodeError:
        raise broken_contract("text_output is not UTF-8") from None


def count_tokens(tokenizer: Tokenizer, text: str) -> int:
    """How many tokens a text makes, in which nothing is a control token."""
    ids = offload.run_if(len(text) > MAX_CHARACTERS_ON_LOOP, tokenizer.codec.encode_plain, [text])
    return len(ids[0])


def count_piece(tokenizer: Tokenizer, piece: str) -> int:
    """The same for what a message adds to a text, which is mostly a token's."""
    if len(piece.encode()) <= ONE_TOKEN:
        return int(bool(piece))
    return count_tokens(tokenizer, piece)


def split_tokens(tokenizer: Tokenizer, text: str) -> list[tuple[str, int]]:
    """A text in pieces as it would have come, each with the number of tokens up to its end."""
    return offload.run_if(len(text) > MAX_CHARACTERS_ON_LOOP, _split, tokenizer, text)


def _split(tokenizer: Tokenizer, text: str) -> list[tuple[str, int]]:
    (ids,) = tokenizer.codec.encode_plain([text])
    detokenizer = IncrementalDetokenizer(tokenizer, skip_special_tokens=False)
    pieces = [(detokenizer.push([token_id]), place) for place, token_id in enumerate(ids, start=1)]
    if "".join(piece for piece, _ in pieces) != text:
        # A tokenizer that changes the text tells no more than how many tokens there are.
        return [(text, len(ids))]
    return [(piece, place) for piece, place in pieces if piece]
