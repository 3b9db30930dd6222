"""`openai-api check-config`: how a configuration file was read, and whether its Tritons agree."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.application import CHAT_TEMPLATES
from app.errors import ApiError, ConfigurationError, Problem
from app.registry import ModelRegistry, read_registry
from app.registry.files import ConfigurationFiles
from app.registry.folders import read_facts
from app.registry.specs import GenerationFacts, Words
from app.services.catalogue import LanguageModel, ServedModel, build_catalogue
from app.services.template_warnings import template_warning
from app.settings import Settings
from app.terminal.escapes import printable
from app.terminal.styles import styled
from app.triton.errors import ModelNotReady
from app.triton.replicas import ReplicaState

EXIT_NOT_READY = 1


def check(settings: Settings, *, connect: bool) -> int:
    """Print what was read; gives the exit code.

    Raises:
        ConfigurationError: every mistake in the file, once the models without one are told.
    """
    files = ConfigurationFiles()
    registry, problems = read_registry(settings.config_file, CHAT_TEMPLATES, files)
    models, unusable = _load(registry, settings, files)
    problems += unusable
    for warning in (*registry.warnings, *filter(None, map(template_warning, models))):
        _tell(f"warning: {warning}")
    for model in models:
        _tell(*model_lines(model))
    if not problems:
        print(f"{settings.config_file.name} can be read and has no mistakes in itself.")
    code = _report_readiness(models) if connect else 0
    if problems:
        raise ConfigurationError(problems)
    _tell_next(settings.config_file, models, code=code, has_asked=connect)
    return code


def _tell(*lines: str) -> None:
    """The file's words may be anything; a warning is seen."""
    for line in lines:
        is_warning = line.lstrip().startswith("warning:")
        print(styled(printable(line), sys.stdout, *(["yellow"] if is_warning else [])))


def _tell_next(file: Path, models: Sequence[ServedModel], *, code: int, has_asked: bool) -> None:
    """What to do now that the file is right."""
    if not models:
        steps = ["openai-api add-model adds one."]
    elif code:
        steps = [
            "Is each Triton running at the address above, and has it loaded the model?",
            "The server starts all the same; such a model answers 503 until it is ready.",
        ]
    elif has_asked:
        steps = [f"Start the server with them: openai-api --config-file {file}"]
    else:
        steps = [f"Ask the models' Tritons, too: openai-api check-config {file} --connect"]
    print(styled("\n".join(["", *steps]), sys.stdout, "dim"))


def _load(
    registry: ModelRegistry, settings: Settings, files: ConfigurationFiles
) -> tuple[list[ServedModel], list[Problem]]:
    """The models that can be used, each loaded by itself, and what is wrong with the others."""
    models: list[ServedModel] = []
    problems: list[Problem] = []
    for spec in registry:
        try:
            models += build_catalogue(ModelRegistry([spec]), (), settings, files)
        except ConfigurationError as error:
            problems += error.problems
    return models, problems


def model_lines(model: ServedModel) -> Iterator[str]:
    """How a model's entry was read."""
    spec = model.spec
    where = f"{spec.triton_model!r} at {', '.join(spec.urls)}"
    yield f"{spec.name}: {spec.task.value}, {spec.max_model_len} tokens, {where}"
    if isinstance(model, LanguageModel):
        facts = model.spec.facts
        yield f"  start_id {facts.start_id}, end_id {facts.end_id}"
        yield from _id_lines(facts, model)
        yield from _word_lines("bad_words", facts.bad_words, model)
        yield from _word_lines("stop_words", facts.stop_words, model)
        if model.template is None:
            yield "  no chat template: the model serves /v1/completions only"


def _id_lines(facts: GenerationFacts, model: LanguageModel) -> Iterator[str]:
    size = model.tokenizer.vocabulary_size
    for key, token_id in (("start_id", facts.start_id), ("end_id", facts.end_id)):
        if token_id >= size:
            yield f"  warning: {key} {token_id} is not in the vocabulary of {size} tokens"
    known = read_facts(model.spec.folder).context
    if known is not None and facts.max_len > known:
        yield f"  warning: max_len {facts.max_len} is more than the folder's {known}"


def _word_lines(key: str, words: Words, model: LanguageModel) -> Iterator[str]:
    tokenizer = model.tokenizer
    for word in words:
        if all(0 <= token_id < tokenizer.vocabulary_size for token_id in word):
            text = repr(tokenizer.decode(word, skip_special_tokens=False))
        else:
            text = "not in the tokenizer's vocabulary"
        yield f"  {key}: {list(word)} which is {text}"


def _report_readiness(models: Sequence[ServedModel]) -> int:
    causes = {model.spec.name: cause_of(model) for model in models}
    for model in models:
        cause = causes[model.spec.name]
        state = styled("ready", sys.stdout, "green") + limit_of(model) if cause is None else ""
        told = state or styled(printable(cause or ""), sys.stdout, "red")
        print(f"{printable(model.spec.name)}: {told}")
    return EXIT_NOT_READY if any(causes.values()) else 0


def limit_of(model: ServedModel) -> str:
    """What to know of a model whose tensors are shorter than its `max_tokens`."""
    most = model.spec.max_model_len
    longest = most if isinstance(model, LanguageModel) else model.backend.max_tokens()
    if longest == most:
        return ""
    return f"; its tensors hold {longest} tokens, not {most}: longer inputs are cut to them"


def cause_of(model: ServedModel) -> str | None:
    """Why the model cannot serve, in all the words there are: they are for the operator."""
    name = model.spec.triton_model
    states = model.backend.replicas.states()
    causes = [_words(name, state) for state in states if state.error is not None]
    if causes:
        rest = len(states) - len(causes)
        return "; ".join(causes) + (f"; {rest} of {len(states)} Tritons are ready" if rest else "")
    try:
        model.backend.check_contract()
    except ApiError as error:
        where = ", ".join(state.address.host_and_port for state in states)
        return f"{name!r} at {where}: {error.detail or error.message}"
    return None


def _words(name: str, state: ReplicaState) -> str:
    where, error = state.address.host_and_port, state.error
    if isinstance(error, ModelNotReady) or error is None:
        return f"Triton at {where} has no model {name!r} that is ready"
    return f"{name!r} at {where}: {error.detail or error.message}"
