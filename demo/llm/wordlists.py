"""FasterTransformer's bad_words_list and stop_words_list: ids above, end offsets below.

`[[2, 29871, 13, 13], [1, 4, -1, -1]]` is the words `[2]` and `[29871, 13, 13]`. Semantics of
kernels/stop_criteria_kernels.cu and kernels/ban_bad_words.cu, NVIDIA/FasterTransformer @ df4a753.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from demo.llm.errors import ExecuteError

Word: TypeAlias = tuple[int, ...]
Words: TypeAlias = tuple[Word, ...]


def read_words(rows: npt.NDArray[np.int32]) -> Words:
    """The words of one row `[2, N]`; a negative offset ends the list, an empty word stays empty.

    Raises `ExecuteError` for an offset beyond the row, where FasterTransformer reads what follows.
    """
    ids, offsets = rows.tolist()
    ends = _until_negative(offsets)
    starts = [0, *ends[:-1]]
    if any(end > len(ids) or end < start for start, end in zip(starts, ends, strict=False)):
        raise ExecuteError(f"word list offsets {ends} do not fit {len(ids)} ids")
    return tuple(tuple(ids[start:end]) for start, end in zip(starts, ends, strict=False))


def _until_negative(offsets: Sequence[int]) -> list[int]:
    count = next((index for index, offset in enumerate(offsets) if offset < 0), len(offsets))
    return list(offsets[:count])


def banned_ids(words: Words, tokens: npt.NDArray[np.int64]) -> list[int]:
    """Ids that may not follow `tokens` `[n]`: the last of each word whose others end `tokens`.

    Token 0 cannot be banned, as in FasterTransformer.
    """
    return [word[-1] for word in words if word and word[-1] > 0 and _ends_with(tokens, word[:-1])]


def is_stopped(words: Words, tokens: npt.NDArray[np.int64]) -> bool:
    """Whether `tokens` `[n]`, prompt and output, end with a word; an empty word stops at once."""
    return any(_ends_with(tokens, word) for word in words)


def _ends_with(tokens: npt.NDArray[np.int64], word: Word) -> bool:
    if len(word) > len(tokens):
        return False
    return tuple(tokens[len(tokens) - len(word) :].tolist()) == word
