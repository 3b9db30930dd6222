"""The prompts of a completion as the model reads them, and as they are echoed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from app.chunks import TextLogprob
from app.errors import InvalidRequest, UnsupportedParameter
from app.prompting.fill_in_the_middle import encode_fill_in_the_middle
from app.services.catalogue import LanguageModel
from app.services.generation import max_new_tokens
from app.services.input_checks import check_length, check_vocabulary
from app.services.logprobs import prompt_logprobs
from app.types import CompletionRequest, Prompt

DEFAULT_MAX_TOKENS = 16


@dataclass(frozen=True, slots=True)
class PlannedPrompt:
    """A prompt's tokens, and at most how many are to follow.

    `echo` is its text if that is to come back; `logprobs` are those of its tokens if they are
    wanted too, which nobody has scored yet.
    """

    ids: Sequence[int]
    max_tokens: int
    echo: str = ""
    logprobs: Sequence[TextLogprob] = ()


def plan_prompts(model: LanguageModel, request: CompletionRequest) -> list[PlannedPrompt]:
    """Every prompt of the request, in order.

    Raises:
        InvalidRequest: a prompt that is empty, too long, or not in the vocabulary.
    """
    return [_planned(model, request, *item) for item in enumerate(request.prompts)]


def _planned(
    model: LanguageModel, request: CompletionRequest, index: int, prompt: Prompt
) -> PlannedPrompt:
    param = "prompt" if len(request.prompts) == 1 else f"prompt[{index}]"
    ids = _ids(model, request, prompt, param)
    default = model.spec.facts.max_tokens or DEFAULT_MAX_TOKENS
    max_tokens = max_new_tokens(model, ids, request, default, param)
    if not isinstance(prompt, str):
        check_vocabulary(ids, model.tokenizer.vocabulary_size, param)
    # A list would hold nine times as much for as long as the answer takes.
    packed = array("I", ids)
    if not request.echo:
        return PlannedPrompt(packed, max_tokens)
    echo = prompt if isinstance(prompt, str) else model.tokenizer.decode(prompt)
    return PlannedPrompt(packed, max_tokens, echo, _unscored(model, request, ids, echo))


def _unscored(
    model: LanguageModel, request: CompletionRequest, ids: Sequence[int], echo: str
) -> Sequence[TextLogprob]:
    if request.sampling.logprobs is None:
        return ()
    # The template of a filling and its suffix are not echoed.
    shown = ids if request.suffix is None else model.tokenizer.encode(echo)
    return prompt_logprobs(model.tokenizer, shown, echo, ())


def _ids(model: LanguageModel, request: CompletionRequest, prompt: Prompt, param: str) -> list[int]:
    if not isinstance(prompt, str):
        if request.suffix is not None:
            raise InvalidRequest(f"{param} must be a string beside suffix", param=param)
        return list(prompt)
    check_length(len(prompt), model.spec.max_model_len, param)
    if request.suffix is not None:
        return _filling(model, prompt, request.suffix)
    ids = model.tokenizer.encode(prompt) or _begin(model)
    if not ids:
        raise InvalidRequest(f"{param} must not be empty for this model", param=param)
    return ids


def _filling(model: LanguageModel, prompt: str, suffix: str) -> list[int]:
    template = model.spec.fim_template
    if template is None:
        raise UnsupportedParameter(
            "suffix is not supported by this model: it has no template to fill in the middle",
            param="suffix",
        )
    check_length(len(suffix), model.spec.max_model_len, "suffix")
    return encode_fill_in_the_middle(model.tokenizer, template, prompt, suffix)


def _begin(model: LanguageModel) -> list[int]:
    bos = model.tokenizer.bos_id
    return [] if bos is None else [bos]
