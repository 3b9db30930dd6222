"""`openai-api check-config`: how a configuration file was read, and whether its Tritons agree."""

from __future__ import annotations

from collections.abc import Iterator

from app.application import load_catalogue
from app.registry.specs import Words
from app.services.catalogue import Catalogue, LanguageModel, ServedModel
from app.services.readiness import readiness
from app.settings import Settings

EXIT_NOT_READY = 1


def check(settings: Settings, *, connect: bool) -> int:
    """Print what was read; gives the exit code.

    Raises:
        ConfigurationError: every mistake in the file.
    """
    catalogue = load_catalogue(settings)
    for warning in catalogue.registry.warnings:
        print(f"warning: {warning}")
    for model in catalogue:
        print("\n".join(_lines(model)))
    print(f"{settings.config_file.name} is right.")
    return _report_readiness(catalogue) if connect else 0


def _lines(model: ServedModel) -> Iterator[str]:
    spec = model.spec
    yield f"{spec.name}: {spec.task.value}, {spec.max_model_len} tokens, {spec.triton_model!r}"
    if isinstance(model, LanguageModel):
        facts = model.spec.facts
        yield f"  start_id {facts.start_id}, end_id {facts.end_id}"
        yield from _word_lines("bad_words", facts.bad_words, model)
        yield from _word_lines("stop_words", facts.stop_words, model)
        if model.template is None:
            yield "  no chat template: the model serves /v1/completions only"


def _word_lines(key: str, words: Words, model: LanguageModel) -> Iterator[str]:
    tokenizer = model.tokenizer
    for word in words:
        if all(0 <= token_id < tokenizer.vocabulary_size for token_id in word):
            text = repr(tokenizer.decode(word, skip_special_tokens=False))
        else:
            text = "not in the tokenizer's vocabulary"
        yield f"  {key}: {list(word)} which is {text}"


def _report_readiness(catalogue: Catalogue) -> int:
    report = readiness(catalogue)
    for name, state in report["models"].items():
        print(f"{name}: {'ready' if state['ready'] else state['cause']}")
    return 0 if report["status"] == "ready" else EXIT_NOT_READY
