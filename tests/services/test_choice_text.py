"""The text of one choice, piece by piece."""

from __future__ import annotations

from app.backends.generation import Continuation
from app.chunks import TokenLogprob, Tokens
from app.services.choice_text import ChoiceText
from app.types import Generation, Sampling
from tests.tokenizers.cached import tokenizer

KIND = "byte_level_bpe"


def test_scores_of_the_prompt_come_though_the_first_text_is_held_back() -> None:
    ids = tokenizer(KIND).encode("stop", add_special_tokens=False)
    request = Generation(
        model="m", sampling=Sampling(logprobs=0), stop=("stopped",), scores_prompt=True
    )
    choice = ChoiceText(tokenizer(KIND), Continuation([1, 2], 8, 0, None), request)
    scores = (TokenLogprob(2, -0.5),)
    entries = [TokenLogprob(token, -1.0) for token in ids]
    chunk = choice.chunk(Tokens(ids=ids, logprobs=entries, prompt_logprobs=scores))
    assert chunk is not None
    assert (chunk.text, chunk.prompt_logprobs) == ("", scores)
