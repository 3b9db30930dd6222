"""How `bad_words` and `stop_words` of the configuration are read."""

from __future__ import annotations

from collections.abc import Sequence

from app.registry.specs import Words


def read_words(rows: Sequence[Sequence[int]]) -> Words:
    """Words from FasterTransformer's two rows (ids, end offsets), or from one row for each word.

    `[[7768, 3908], [1, 2]]` gives the words (7768,) and (3908,); `[[2], [2]]` gives (2,) twice.
    Empty words are left out: FasterTransformer would stop at once.
    """
    if len(rows) == 2 and _is_offset_row(rows[1], len(rows[0])):
        words = _split(rows[0], [offset for offset in rows[1] if offset > 0])
    else:
        words = [tuple(row) for row in rows]
    return tuple(word for word in words if word)


def _is_offset_row(row: Sequence[int], num_ids: int) -> bool:
    offsets = list(row)
    while offsets and offsets[-1] == -1:
        offsets.pop()
    ends = [0, *offsets]
    is_increasing = all(start <= end for start, end in zip(ends, offsets, strict=False))
    return bool(row) and all(0 < offset <= num_ids for offset in offsets) and is_increasing


def _split(ids: Sequence[int], offsets: Sequence[int]) -> list[tuple[int, ...]]:
    starts = [0, *offsets]
    return [tuple(ids[start:end]) for start, end in zip(starts, offsets, strict=False)]
