"""Which texts could make a control token together with what a template writes beside them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.prompting.content_marks import needs_marks

TOKENS = frozenset({"<|im_end|>", "<s>", "[INST]", "<a>b", "sop"})
TAGS = TOKENS - {"sop"}


def could_make_a_token(text: str) -> bool:
    core = text.strip()
    return (
        any(token in text for token in TOKENS)
        or any(core.startswith(tag[size:]) for tag in TAGS for size in range(1, len(tag)))
        or any(core.endswith(tag[:size]) for tag in TAGS for size in range(1, len(tag)))
    )


@given(
    st.lists(
        st.sampled_from(["<", "|", ">", "s", "<s", "s>", "im_end|>", "<|im", "[IN", "b", " ", "x"])
    )
)
def test_exactly_those_are_marked(parts: list[str]) -> None:
    text = "".join(parts)
    assert needs_marks(text, TOKENS) == could_make_a_token(text)


def test_without_tokens_nothing_is() -> None:
    assert not needs_marks("<s>", frozenset())
