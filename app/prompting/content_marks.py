"""Telling the control tokens that a chat template writes from those that somebody typed.

Typed ones are wrapped in two marks before the template is rendered, and found by them afterwards.
The marks are private-use characters that the input does not hold, chosen for each request, so none
can be forged and no text is changed. Each token has a pair of its own: where a template cuts one
mark off, as mistral's does with the beginning of a call's id, the other still tells. White space
never touches a mark: a template that strips contents does the same with and without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.errors import InvalidRequest
from app.prompting.codec import TextPiece

PRIVATE_USE = range(0xE000, 0xF900)


@lru_cache(maxsize=256)
def any_of(tokens: frozenset[str]) -> re.Pattern[str]:
    """Matches one of the tokens, the longest that begins at a place."""
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


@dataclass(frozen=True, slots=True)
class _Edges:
    """Proper beginnings and proper endings of some tokens, and what each of them must hold."""

    beginnings: frozenset[str]
    endings: frozenset[str]
    first_characters: frozenset[str]
    last_characters: frozenset[str]
    longest: int

    def begin(self, text: str) -> bool:
        """Whether a text begins with an ending."""
        start = text[: self.longest]
        # Almost no text has one, and this tells so at once.
        if self.last_characters.isdisjoint(start):
            return False
        return any(start[:size] in self.endings for size in range(1, len(start) + 1))

    def end(self, text: str) -> bool:
        """Whether a text ends with a beginning."""
        tail = text[-self.longest :] if self.longest else ""
        if self.first_characters.isdisjoint(tail):
            return False
        return any(tail[-size:] in self.beginnings for size in range(1, len(tail) + 1))


@lru_cache(maxsize=256)
def _edges(tokens: frozenset[str]) -> _Edges:
    """The edges of the tokens.

    Not of bare words such as chatglm3's `sop`: every other word would be an edge of one, and names
    that a template compares would be marked.
    """
    tags = [token for token in tokens if not token.isalnum()]
    return _Edges(
        beginnings=frozenset(token[:size] for token in tags for size in range(1, len(token))),
        endings=frozenset(token[size:] for token in tags for size in range(1, len(token))),
        first_characters=frozenset(token[0] for token in tags if len(token) > 1),
        last_characters=frozenset(token[-1] for token in tags if len(token) > 1),
        longest=max((len(token) - 1 for token in tags), default=0),
    )


def needs_marks(text: str, tokens: frozenset[str]) -> bool:
    """Whether a text holds a token, or could make one with what a template writes beside it."""
    core, edges = text.strip(), _edges(tokens)
    return edges.begin(core) or edges.end(core) or any_of(tokens).search(text) is not None


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A copy of JSON-like data with each string changed, the names of fields as well."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): map_strings(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_strings(item, change) for item in value]
    return value


class Marks:
    """Characters that the whole input does not hold, and what is done with them."""

    def __init__(self, texts: list[str]) -> None:
        """Raises InvalidRequest for an input that holds all the private-use characters."""
        used = "\n".join(texts)
        self._free = _unused(used, used.lower())
        self._edges = self._next_pair()
        self._pairs: dict[str, tuple[str, str]] = {}

    def _next_pair(self) -> tuple[str, str]:
        start, end = next(self._free, ""), next(self._free, "")
        if not end:
            raise InvalidRequest(
                "The messages hold every private-use character there is.", param="messages"
            )
        return start, end

    def around_tokens(self, text: str, tokens: frozenset[str]) -> str:
        """Marks each token in a text, and an edge of it that could become part of one.

        Raises InvalidRequest where there are no marks left.
        """
        core = text.strip()
        at = text.find(core)
        before, after = text[:at], text[at + len(core) :]
        edges = _edges(tokens)
        head = self._edges[0] if edges.begin(core) else ""
        tail = self._edges[1] if edges.end(core) else ""
        marked = any_of(tokens).sub(lambda match: self._wrap(match[0]), core)
        return f"{before}{head}{marked}{tail}{after}"

    def _wrap(self, token: str) -> str:
        if token not in self._pairs:
            self._pairs[token] = self._next_pair()
        start, end = self._pairs[token]
        return f"{start}{token}{end}"

    def split(self, prompt: str, tokens: frozenset[str]) -> list[TextPiece]:
        """Cuts a rendered prompt into plain text and genuine tokens; the marks are gone."""
        marks = "".join(start + end for start, end in (self._edges, *self._pairs.values()))
        return list(_merged(self._pieces(_unescaped(prompt, marks), marks, tokens)))

    def _pieces(self, prompt: str, marks: str, tokens: frozenset[str]) -> Iterator[TextPiece]:
        done = 0
        for match in re.finditer(f"[{marks}]|{any_of(tokens).pattern}", prompt):
            yield TextPiece(prompt[done : match.start()], False)
            if match[0] not in marks:
                yield TextPiece(match[0], not self._is_typed(match))
            done = match.end()
        yield TextPiece(prompt[done:], False)

    def _is_typed(self, match: re.Match[str]) -> bool:
        """Whether a token has at least one of its marks beside it."""
        if match[0] not in self._pairs:
            return False
        start, end = self._pairs[match[0]]
        prompt, first, behind = match.string, match.start(), match.end()
        return prompt[first - 1 : first] == start or prompt[behind : behind + 1] == end


def _unescaped(prompt: str, marks: str) -> str:
    """Marks as such where a template wrote them with `tojson(ensure_ascii=True)`."""
    written = {f"{ord(mark):04x}": mark for mark in marks}
    escape = re.compile(r"\\u([0-9a-fA-F]{4})")
    return escape.sub(lambda match: written.get(match[1].lower(), match[0]), prompt)


def _unused(used: str, lowered: str) -> Iterator[str]:
    """Private-use characters that occur neither as such nor as JSON's \\uXXXX."""
    for code in PRIVATE_USE:
        if chr(code) not in used and f"\\u{code:04x}" not in lowered:
            yield chr(code)


def _merged(pieces: Iterator[TextPiece]) -> Iterator[TextPiece]:
    plain = ""
    for piece in pieces:
        if not piece.is_control:
            plain += piece.text
            continue
        if plain:
            yield TextPiece(plain, False)
        yield piece
        plain = ""
    if plain:
        yield TextPiece(plain, False)
