"""FasterTransformer's encoding of bad and stop words, which TensorRT-LLM has kept.

https://github.com/NVIDIA/FasterTransformer, `to_word_list_format` of its Triton backend
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from app.prompting.tokenizers import Tokenizer
from app.registry.specs import Words


def encode_words(words: Sequence[Sequence[int]]) -> NDArray[np.int32]:
    """Words as `[1, 2, N]` INT32: all ids padded with 0, then the words' ends padded with -1.

    Empty words, which would stop an answer at once, are left out.
    """
    kept = [word for word in words if word]
    ids = [token_id for word in kept for token_id in word]
    ends = list(np.cumsum([len(word) for word in kept], dtype=np.int64))
    width = max(len(ids), 1)
    encoded = np.zeros((1, 2, width), np.int32)
    encoded[0, 1] = -1
    encoded[0, 0, : len(ids)] = ids
    encoded[0, 1, : len(ends)] = ends
    return encoded


def phrases(tokenizer: Tokenizer, texts: Sequence[str]) -> Words:
    """The tokens of each text, as it begins a text and as it follows a space."""
    found = (
        tuple(tokenizer.encode(form, add_special_tokens=False))
        for text in texts
        for form in (text, f" {text}")
    )
    return tuple(dict.fromkeys(word for word in found if word))


def word_texts(tokenizer: Tokenizer, words: Iterable[Sequence[int]]) -> tuple[str, ...]:
    """The texts of words of token ids, each once."""
    texts = (tokenizer.decode(word, skip_special_tokens=False) for word in words)
    return tuple(text for text in dict.fromkeys(texts) if text)
