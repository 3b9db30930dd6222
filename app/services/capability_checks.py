"""What a model cannot do is refused, with the field and the reason, before anything is sent."""

from __future__ import annotations

from dataclasses import fields

from app.backends.generation import Capabilities
from app.backends.sampling_rules import BAN
from app.errors import InvalidRequest, UnsupportedParameter
from app.services.input_checks import check_vocabulary
from app.types import Generation, Sampling

# What these hold changes nothing, so no model has to know the field.
NEUTRAL = {
    "temperature": 1.0,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "min_p": 0.0,
    "length_penalty": 1.0,
    "min_tokens": 0,
}
# What a greedy answer does without.
OF_CHANCE = ("temperature", "top_p", "top_k", "min_p")
# What a request calls a field of `Sampling`, where that is not its name.
REQUEST_NAMES = {"beam_width": "use_beam_search"}
FIELDS = tuple(field.name for field in fields(Sampling))
NO_PARAMETER = "its backend has no such parameter"


def check_capabilities(
    request: Generation, capabilities: Capabilities, vocabulary_size: int
) -> None:
    """Refuse what the model's backend cannot honour.

    Raises:
        UnsupportedParameter: names the field and the reason.
        InvalidRequest: ids that are not in the vocabulary.
    """
    sampling = request.sampling
    is_greedy = sampling.temperature == 0 or sampling.top_p == 0
    for name in FIELDS:
        if name in capabilities.fields or _is_neutral(sampling, name):
            continue
        if not (is_greedy and name in OF_CHANCE and "top_k" in capabilities.fields):
            raise _unsupported(_param(request, name), capabilities.reasons.get(name))
    _check_bias(sampling, capabilities, vocabulary_size)
    check_vocabulary(request.stop_token_ids, vocabulary_size, "stop_token_ids")
    _check_logprobs(request, capabilities, is_greedy)
    _check_structure(sampling, capabilities)
    if capabilities.takes_text:
        _check_text_fields(request, capabilities)


def _is_neutral(sampling: Sampling, name: str) -> bool:
    value = getattr(sampling, name)
    if name == "top_k":
        return value is None or value < 1
    return value is None or value == {} or bool(value == NEUTRAL.get(name))


def _param(request: Generation, name: str) -> str:
    structure = request.sampling.structured_output
    if name == "structured_output" and structure is not None:
        return structure.param
    if name == "logprobs":
        return request.logprobs_param
    return REQUEST_NAMES.get(name, name)


def _check_bias(sampling: Sampling, capabilities: Capabilities, vocabulary_size: int) -> None:
    bias = sampling.logit_bias or {}
    check_vocabulary(list(bias), vocabulary_size, "logit_bias")
    if not capabilities.has_bans_only:
        return
    wrong = next((value for value in bias.values() if value not in (0, BAN)), None)
    if wrong is not None:
        raise _unsupported(
            "logit_bias", f"its backend can only ban tokens, with {BAN}, and {wrong:g} was given"
        )


def _check_logprobs(request: Generation, capabilities: Capabilities, is_greedy: bool) -> None:
    # The likeliest token is the one that a greedy answer takes.
    most = max(capabilities.max_top_logprobs, 1 if is_greedy else 0)
    wanted = request.sampling.logprobs
    if wanted is not None and wanted > most:
        told = "the chosen token's alone" if most == 0 else f"at most {most} of the likeliest"
        raise _unsupported(
            request.alternatives_param,
            f"its backend tells {told}, and {wanted} alternatives were asked for",
        )


def _check_structure(sampling: Sampling, capabilities: Capabilities) -> None:
    wanted = sampling.structured_output
    if wanted is not None and wanted.kind not in capabilities.structures:
        raise _unsupported(wanted.param, f"its backend cannot enforce {wanted.kind}")


def _check_text_fields(request: Generation, capabilities: Capabilities) -> None:
    """A model that gives text must itself do what is otherwise done with its tokens."""
    asked = {
        "skip_special_tokens": not request.skip_special_tokens,
        "stop_token_ids": bool(request.stop_token_ids),
    }
    for name, is_asked in asked.items():
        if is_asked and name not in capabilities.fields:
            raise _unsupported(name, capabilities.reasons.get(name))


def _unsupported(param: str, reason: str | None) -> InvalidRequest:
    return UnsupportedParameter(
        f"{param} is not supported by this model: {reason or NO_PARAMETER}", param=param
    )
