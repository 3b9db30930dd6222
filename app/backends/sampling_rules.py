"""What a request leaves open is the model's default; and when nothing is left to chance."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from app.backends.answer import Ends
from app.backends.generation import Continuation
from app.errors import UnsupportedParameter
from app.registry.specs import GenerationFacts, Words
from app.types import Generation, Sampling, first_given

# Below it 1 / (temperature + 1e-6), which backends compute, leaves float32's range of use.
MIN_TEMPERATURE = 1e-4
# Backends divide by it, and smaller numbers become 0 in float32.
MIN_PENALTY = 1e-6
# So little that only the likeliest token is left.
GREEDY_TOP_P = 1e-6
# OpenAI's bias that bans a token.
BAN = -100
# The end_id of an answer that is not to end by itself.
NO_END = -1
MASK_64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Choosing:
    """How the next token is chosen; `top_k` 0 is off."""

    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float | None

    @property
    def is_greedy(self) -> bool:
        """Whether nothing but the likeliest token is left."""
        return self.top_p == 0 or self.temperature < MIN_TEMPERATURE


def choosing(sampling: Sampling, facts: GenerationFacts) -> Choosing:
    """The request's values, else the model's, else OpenAI's."""
    penalty = first_given(sampling.repetition_penalty, facts.repetition_penalty)
    return Choosing(
        temperature=first_given(sampling.temperature, facts.temperature, 1.0),
        top_p=first_given(sampling.top_p, facts.top_p, 1.0),
        top_k=max(first_given(sampling.top_k, facts.top_k, 0), 0),
        repetition_penalty=None if penalty is None else max(penalty, MIN_PENALTY),
    )


def seed_of(item: Continuation) -> int:
    """Its own, or a fresh one: without any, backends give the same answer every time."""
    return int(first_given(item.seed, secrets.randbits(64))) & MASK_64


def end_id_of(sampling: Sampling, facts: GenerationFacts) -> int:
    """What the model is told to end at; a negative one is no token, and ends nothing."""
    return NO_END if sampling.ignore_eos else facts.end_id


def end_ids(sampling: Sampling, facts: GenerationFacts) -> tuple[int, ...]:
    """The tokens that end an answer, none if it is not to end by itself."""
    if sampling.ignore_eos:
        return ()
    return tuple(token for token in (facts.end_id, *facts.end_ids) if token >= 0)


def ends_of(request: Generation, facts: GenerationFacts) -> Ends:
    """All that ends an answer of token ids, beside its length."""
    return Ends(
        end_ids=frozenset(end_ids(request.sampling, facts)),
        stop_words=stop_words(request.sampling, facts),
        stop_token_ids=frozenset(request.stop_token_ids),
        has_stop_in_output=request.has_stop_in_output,
    )


def stop_words(sampling: Sampling, facts: GenerationFacts) -> Words:
    """The model's own; those of one token are end tokens, which a request may ignore."""
    words = facts.stop_words
    return tuple(word for word in words if len(word) > 1) if sampling.ignore_eos else words


def is_endless(request: Generation) -> bool:
    """Whether only its length or a stop string ends an answer."""
    return bool(request.sampling.ignore_eos) and not request.stop_token_ids


def banned_ids(sampling: Sampling) -> tuple[int, ...]:
    """Tokens whose bias bans them."""
    return tuple(token for token, bias in (sampling.logit_bias or {}).items() if bias == BAN)


def bans(sampling: Sampling) -> Words:
    """The same as bad words of one token.

    Raises:
        UnsupportedParameter: for token 0, which FasterTransformer's and TensorRT-LLM's bad words
            leave alone.
    """
    ids = banned_ids(sampling)
    if 0 in ids:
        raise UnsupportedParameter(
            "logit_bias: token 0 cannot be banned on this model", param="logit_bias"
        )
    return tuple((token,) for token in ids)
