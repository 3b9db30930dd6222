"""Stop strings and stop words, found across chunk borders with no more held back than must be."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache


class Automaton:
    """Aho-Corasick over sequences of hashable items; built once, never changed, free to share.

    State 0 is the start. `depths[state]` is the length of the longest suffix of what was read that
    is a prefix of some pattern, `matches[state]` the longest pattern that ends here (its index);
    where there is none of `first_items`, a text leaves the start as it is.
    """

    def __init__(self, patterns: Sequence[Sequence[Hashable]]) -> None:
        """Raises ValueError for an empty pattern, which would match everywhere."""
        if any(len(pattern) == 0 for pattern in patterns):
            raise ValueError("A stop sequence must not be empty.")
        self._children: list[dict[Hashable, int]] = [{}]
        self._failures = [0]
        self.depths = [0]
        self.matches: list[int | None] = [None]
        for index, pattern in enumerate(patterns):
            self._insert(index, pattern)
        self._link_failures()
        self.first_items = frozenset(self._children[0])

    def _insert(self, index: int, pattern: Sequence[Hashable]) -> None:
        state = 0
        for item in pattern:
            if item not in self._children[state]:
                self._children[state][item] = self._new_state(self.depths[state] + 1)
            state = self._children[state][item]
        if self.matches[state] is None:
            self.matches[state] = index

    def _new_state(self, depth: int) -> int:
        self._children.append({})
        self._failures.append(0)
        self.depths.append(depth)
        self.matches.append(None)
        return len(self.depths) - 1

    def _link_failures(self) -> None:
        waiting = deque(self._children[0].values())
        while waiting:
            state = waiting.popleft()
            for item, child in self._children[state].items():
                self._failures[child] = self.step(self._failures[state], item)
                waiting.append(child)
            # Breadth first: the shorter suffix is complete, so its match is known by now.
            if self.matches[state] is None:
                self.matches[state] = self.matches[self._failures[state]]

    def step(self, state: int, item: Hashable) -> int:
        """The state after one more item; constant time, amortised over a text."""
        while state and item not in self._children[state]:
            state = self._failures[state]
        return self._children[state].get(item, 0)

    def scan(self, state: int, items: Iterable[Hashable]) -> tuple[int, int]:
        """Reads items up to the first match: the last state and how many items were read."""
        count = 0
        for item in items:
            state = self.step(state, item)
            count += 1
            if self.matches[state] is not None:
                break
        return state, count


@lru_cache(maxsize=8)
def automaton_of(patterns: tuple[Sequence[Hashable], ...]) -> Automaton:
    """The automaton of some patterns, kept because choices and requests share them."""
    return Automaton(patterns)


class StopStrings:
    """Finds stop strings across chunk borders, holding back no more than a proper prefix of one.

    The match that ends first wins; of several that end together, the longest. The text before it is
    given out, the stop string only with `include_stop`, and nothing after it. O(length of text).
    """

    def __init__(self, stops: Sequence[str], *, include_stop: bool = False) -> None:
        """Raises ValueError for an empty stop string."""
        self._stops = list(stops)
        self._automaton = automaton_of(tuple(self._stops))
        self._include_stop = include_stop
        self._state = 0
        self._held = ""
        self.matched: str | None = None

    def push(self, text: str) -> str:
        """The text that is certain now; empty after a match."""
        if self.matched is not None:
            return ""
        if not self._state and self._automaton.first_items.isdisjoint(text):
            return text
        self._state, count = self._automaton.scan(self._state, text)
        seen = self._held + text[:count]
        match = self._automaton.matches[self._state]
        if match is None:
            return self._release(seen)
        self.matched, self._held = self._stops[match], ""
        return seen if self._include_stop else seen[: -len(self.matched)]

    def _release(self, seen: str) -> str:
        certain = len(seen) - self._automaton.depths[self._state]
        self._held = seen[certain:]
        return seen[:certain]

    def flush(self) -> str:
        """What was held back, at the end of the text; empty after a match."""
        held, self._held, self._state = self._held, "", 0
        return held


class StopTokens:
    """The same for token ids: finds stop words, holding back only ids that may begin one."""

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        """Raises ValueError for an empty word."""
        self._words = [tuple(word) for word in words]
        self._automaton = automaton_of(tuple(self._words))
        self._state = 0
        self._held: list[int] = []
        self.matched: tuple[int, ...] | None = None

    def push(self, token_id: int) -> list[int]:
        """The ids that are certain now, without the stop word's own; empty after a match."""
        if self.matched is not None:
            return []
        self._state = self._automaton.step(self._state, token_id)
        self._held.append(token_id)
        match = self._automaton.matches[self._state]
        if match is None:
            return self._release(self._automaton.depths[self._state])
        self.matched = self._words[match]
        certain = self._release(len(self.matched))
        self._held = []
        return certain

    def _release(self, num_held: int) -> list[int]:
        certain = len(self._held) - num_held
        released, self._held = self._held[:certain], self._held[certain:]
        return released

    def flush(self) -> list[int]:
        """What was held back, at the end of the answer; empty after a match."""
        held, self._held, self._state = self._held, [], 0
        return held
