"""What a request asks of a model of the bench: how slowly it speaks, and what it does wrong.

    body = {"model": "llm-bad", "prompt": "one two", "seed": Script("error", at=3).seed}

A seed is the one field that every contract hands to its model unchanged. Also imported by the
models inside Triton's Python stubs, so it needs the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

DEEDS = (
    "",
    "dtype",
    "shape",
    "nan",
    "utf8",
    "no_response",
    "no_final",
    "double_final",
    "error",
    "hang",
    "huge",
    "exit",
    "vocabulary",
    "length",
    "prompt",
    "no_output",
)
"""By name; the empty one is to do nothing wrong.

- dtype, shape, no_output: the answer's tensor has another type, another shape, or is missing
- nan: log-probabilities that are not numbers
- utf8: bytes that are no text
- no_response: the final flag and nothing else
- no_final: `at` tokens, then no more responses; a cancellation ends it
- double_final: the last response, and one more behind it
- error: an error after `at` tokens
- hang: nothing more after `at` tokens; a cancellation ends it
- huge: `at` MiB in one response
- exit: the Python stub ends itself after `at` tokens
- vocabulary, length, prompt: FasterTransformer's ids out of the vocabulary, a length beyond the
  row, and a row that does not begin with the prompt
"""

MAX_16 = 0xFFFF


@dataclass(frozen=True)
class Script:
    """`deed` at token `at`; `delay_ms` before each token. Both numbers have 16 bits."""

    deed: str = ""
    at: int = 0
    delay_ms: int = 0

    @property
    def seed(self) -> int:
        """The request's `seed`."""
        return DEEDS.index(self.deed) << 32 | self.at << 16 | self.delay_ms

    @classmethod
    def from_seed(cls, seed: int) -> Script:
        """Of any seed: one that nobody wrote asks for nothing."""
        deed = seed >> 32
        if deed >= len(DEEDS):
            return cls()
        return cls(DEEDS[deed], seed >> 16 & MAX_16, seed & MAX_16)
