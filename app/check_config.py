"""`openai-api check-config`: how a configuration file was read, and whether its Tritons agree."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.application import CHAT_TEMPLATES
from app.errors import ApiError, BackendError, ConfigurationError, Problem
from app.registry import ModelRegistry, read_registry
from app.registry.files import ConfigurationFiles, read_json
from app.registry.folders import read_facts
from app.registry.specs import GenerationFacts, Words
from app.services.catalogue import LanguageModel, ServedModel, build_catalogue
from app.services.template_warnings import template_warning
from app.settings import Settings
from app.terminal.escapes import printable
from app.terminal.styles import styled
from app.triton.errors import WRONG_PORTS, ModelNotReady
from app.triton.replicas import ReplicaState

EXIT_NOT_READY = 1
REFUSED = "The server does not start with this file; one that runs keeps the configuration it has."


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a model cannot serve; `is_entry_wrong` where no waiting helps."""

    text: str
    is_entry_wrong: bool = False


def check(settings: Settings, *, connect: bool) -> int:
    """Print what was read; gives the exit code.

    Raises:
        ConfigurationError: every mistake in the file, once the models without one are told.
    """
    try:
        return _check(settings, connect=connect)
    except ConfigurationError as error:
        # What was told of the models comes before it, also in a file.
        sys.stdout.flush()
        raise ConfigurationError(error.problems, REFUSED) from None


def _check(settings: Settings, *, connect: bool) -> int:
    files = ConfigurationFiles()
    registry, problems = read_registry(settings.config_file, CHAT_TEMPLATES, files)
    models, unusable = _load(registry, settings, files)
    problems += unusable
    for warning in (*registry.warnings, *filter(None, map(template_warning, models))):
        _tell(f"warning: {warning}")
    for model in models:
        _tell(*model_lines(model))
    if not problems:
        print(f"{settings.config_file.name} is valid.")
    mistaken = _mistaken(problems, read_json(settings.config_file, files))
    causes = _report_readiness(models, mistaken) if connect else []
    if problems:
        raise ConfigurationError(problems)
    _tell_next(settings.config_file, models, causes, has_asked=connect)
    return EXIT_NOT_READY if causes else 0


def _mistaken(problems: Sequence[Problem], content: Any) -> list[str]:
    """Names of the entries that have a mistake, each once, in the order of the problems."""
    places = {problem.path.partition(".")[0] for problem in problems}
    entries = [
        (f"{section}[{index}]", entry)
        for section, entries in (content.items() if isinstance(content, dict) else ())
        if isinstance(entries, list)
        for index, entry in enumerate(entries)
        if isinstance(entry, dict)
    ]
    named = [entry.get("name") for place, entry in entries if place in places]
    return list(dict.fromkeys(name for name in named if isinstance(name, str)))


def _tell(*lines: str) -> None:
    """The file's words may be anything; a warning is seen."""
    for line in lines:
        is_warning = line.lstrip().startswith("warning:")
        print(styled(printable(line), sys.stdout, *(["yellow"] if is_warning else [])))


def _tell_next(
    file: Path, models: Sequence[ServedModel], causes: Collection[Cause], *, has_asked: bool
) -> None:
    """What to do now that the file is right."""
    if not models:
        steps = ["openai-api add-model adds one."]
    elif causes:
        steps = list(_remedies({cause.is_entry_wrong for cause in causes}))
    elif has_asked:
        steps = [f"Start the server with them: openai-api --config-file {file}"]
    else:
        steps = [f"Ask the models' Tritons, too: openai-api check-config {file} --connect"]
    print(styled("\n".join(["", *steps]), sys.stdout, "dim"))


def _remedies(kinds: Collection[bool]) -> Iterator[str]:
    consequences = []
    if False in kinds:
        yield "Is each Triton running at the address above, and has it loaded the model?"
        consequences.append("such a model answers 503 until it is ready")
    if True in kinds:
        consequences.append("requests to a model whose entry is wrong fail until it is corrected")
    yield f"The server starts all the same; {'; '.join(consequences)}."


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


def _report_readiness(models: Sequence[ServedModel], mistaken: Sequence[str]) -> list[Cause]:
    """Ask every model's Triton but those of `mistaken` entries; gives what is wrong."""
    right = [model for model in models if model.spec.name not in mistaken]
    causes = [_cause(model) for model in right]
    for model, cause in zip(right, causes, strict=True):
        if cause is None:
            _tell_state(model.spec.name, "ready", "green", limit_of(model))
        else:
            _tell_state(model.spec.name, cause.text, "red")
    for name in mistaken:
        _tell_state(name, "has mistakes, see below", "red")
    return [cause for cause in causes if cause is not None]


def _tell_state(name: str, state: str, style: str, more: str = "") -> None:
    print(f"{printable(name)}: {styled(printable(state), sys.stdout, style)}{more}")


def limit_of(model: ServedModel) -> str:
    """What to know of a model whose tensors are shorter than its `max_tokens`."""
    most = model.spec.max_model_len
    longest = most if isinstance(model, LanguageModel) else model.backend.max_tokens()
    if longest == most:
        return ""
    return f"; its tensors hold {longest} tokens, not {most}: longer inputs are cut to them"


def cause_of(model: ServedModel) -> str | None:
    """Why the model cannot serve, in all the words there are: they are for the operator."""
    cause = _cause(model)
    return cause.text if cause else None


def _cause(model: ServedModel) -> Cause | None:
    name = model.spec.triton_model
    states = model.backend.replicas.states()
    causes = [_words(name, state) for state in states if state.error is not None]
    if causes:
        rest = len(states) - len(causes)
        text = "; ".join(causes) + (f"; {rest} of {len(states)} Tritons are ready" if rest else "")
        return Cause(text, any(hint in text for _, hint in WRONG_PORTS))
    try:
        model.backend.check_contract()
    except ApiError as error:
        where = ", ".join(state.address.host_and_port for state in states)
        text = f"{name!r} at {where}: {error.detail or error.message}"
        return Cause(text, isinstance(error, BackendError))
    return None


def _words(name: str, state: ReplicaState) -> str:
    where, error = state.address.host_and_port, state.error
    if isinstance(error, ModelNotReady) or error is None:
        return f"Triton at {where} has no model {name!r} that is ready"
    return f"{name!r} at {where}: {error.detail or error.message}"
