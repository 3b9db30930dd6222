"""From the configuration file to a registry, or to every mistake in it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from app.errors import Problem
from app.registry.files import ConfigurationFiles, read_json
from app.registry.folders import FolderFacts, read_facts, read_pooling
from app.registry.model_registry import ModelRegistry
from app.registry.specs import (
    EmbeddingSpec,
    GenerationFacts,
    LanguageModelSpec,
    ModelSpec,
    RerankSpec,
    Timeouts,
)
from app.registry.words import read_words
from app.schemas.configuration import parse_configuration
from app.types import first_given

Section = Sequence[tuple[str, Mapping[str, Any]]]

DEFAULT_ENCODER_TOKENS = 512
# Keys of `llm` that only these backends look at.
OF_BACKENDS: Mapping[str, Sequence[str]] = {
    "batch_size": ("fastertransformer",),
    "adds_special_tokens": ("tensorrt_llm", "vllm"),
    "structured_output_key": ("vllm",),
}


def read_registry(
    path: Path, templates: Path, files: ConfigurationFiles
) -> tuple[ModelRegistry, list[Problem]]:
    """The models whose entries are right, and every mistake in the others.

    The file and the templates it names are read from `files`; `templates` is the folder of the
    chat templates that come with the server.

    Raises:
        ConfigurationError: the file cannot be read at all.
    """
    sections, broken, problems = parse_configuration(read_json(path, files))
    loader = _Loader(path.parent, templates, files, sections, broken)
    specs = loader.specs()
    loader.check_words()
    loader.check_names()
    loader.check_effects()
    loader.check_broken()
    return ModelRegistry(specs, loader.warnings), problems + loader.problems


class _Names:
    """Where each name is used first, and the places that use it again."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        self.repeated: list[str] = []

    def add(self, name: str, path: str) -> None:
        if self.first.setdefault(name, path) != path:
            self.repeated.append(path)


class _Loader:
    """Turns sections into specs and collects what is wrong on the way."""

    def __init__(
        self,
        base: Path,
        templates: Path,
        files: ConfigurationFiles,
        sections: Mapping[str, Section],
        broken: Section,
    ) -> None:
        self.base = base
        self.templates = templates
        self.files = files
        self.sections = sections
        self.broken = broken
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self.infos = {info["name"]: info for _, info in sections["model_infos"]}

    def specs(self) -> list[ModelSpec]:
        """Every model whose entry is right."""
        specs = [
            *self._each("llm", self._language_model),
            *self._each("embedding", self._embedding),
            *self._each("rerank", self._rerank),
        ]
        if not self.broken and not any(self.sections.values()):
            self.warnings.append("the file names no model, so every request will be refused")
        return specs

    def _each(
        self, section: str, make: Callable[[Mapping[str, Any], str], ModelSpec | None]
    ) -> Iterator[ModelSpec]:
        for path, entry in self.sections[section]:
            spec = make(entry, path)
            if spec is not None:
                yield spec

    def check_words(self) -> None:
        """Words of ids have no padding in them."""
        for path, info in self.sections["model_infos"]:
            for key in ("bad_words", "stop_words"):
                if any(min(word) < 0 for word in read_words(info[key])):
                    self._problem(f"{path}.{key}", "-1 is only allowed at the end of the offsets")

    def check_names(self) -> None:
        """Every model has a name of its own, and every description a model."""
        served = self._names("llm", "embedding", "rerank")
        described = self._names("model_infos")
        for names in (served, described):
            for path in names.repeated:
                self._problem(f"{path}.name", "another entry has this name; give each its own")
        languages = self._names("llm").first
        for name in described.first:
            if name not in languages:
                self.warnings.append(f"model_infos has {name!r}, which no llm entry serves")

    def _names(self, *sections: str) -> _Names:
        names = _Names()
        for section in sections:
            entries = [*self.sections[section], *self._broken(section)]
            for path, entry in sorted(entries, key=_index):
                if "name" in entry:
                    names.add(entry["name"], path)
        return names

    def _broken(self, section: str) -> Section:
        return [each for each in self.broken if each[0].startswith(f"{section}[")]

    def check_effects(self) -> None:
        """Keys that the entry's backend does not look at."""
        for path, entry in self.sections["llm"]:
            for key, backends in OF_BACKENDS.items():
                if entry[key] is not None and entry["backend"] not in backends:
                    self.warnings.append(
                        f'{path}.{key} has no effect with "backend": "{entry["backend"]}";'
                        f" it is for {' and '.join(backends)}"
                    )

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def check_broken(self) -> None:
        """Look also at the files that broken entries name, so that all is told at once."""
        for path, entry in self.broken:
            if "path" in entry:
                self._folder(entry["path"], f"{path}.path")
            if "chat_template" in entry:
                self._template(entry["chat_template"], f"{path}.chat_template")

    def _folder(self, name: str, path: str) -> Path | None:
        folder = self.base / Path(name).expanduser()
        if folder.is_dir():
            return folder
        self._problem(
            path,
            f"there is no folder {name!r}; give the model's Hugging Face folder, absolute or"
            " relative to the configuration file",
        )
        return None

    def _common(self, entry: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        folder = self._folder(entry["path"], f"{path}.path")
        if folder is None:
            return None
        return {
            "name": entry["name"],
            "place": path,
            "urls": entry["url"],
            "folder": folder.resolve(),
            "triton_model": entry["triton_model"] or entry["name"],
            "triton_version": entry["triton_version"] or "",
            "trust_remote_code": entry["trust_remote_code"],
            "timeouts": Timeouts(**entry["timeouts"]),
            "max_inflight": entry["max_inflight"],
            "max_queue": entry["max_queue"],
            "max_queue_wait": entry["max_queue_wait"],
        }

    def _language_model(self, entry: Mapping[str, Any], path: str) -> LanguageModelSpec | None:
        common = self._common(entry, path)
        template = self._template(entry["chat_template"], f"{path}.chat_template")
        facts = self._facts(entry["name"], common["folder"], path) if common else None
        if common is None or facts is None:
            return None
        return LanguageModelSpec(
            facts=facts,
            backend=entry["backend"],
            chat_template=template,
            cancel=entry["cancel"],
            batch_size=entry["batch_size"],
            adds_special_tokens=entry["adds_special_tokens"],
            structured_output_key=entry["structured_output_key"],
            tool_call_parser=entry["tool_call_parser"],
            reasoning_parser=entry["reasoning_parser"],
            fim_template=entry["fim_template"],
            template_kwargs=entry["template_kwargs"],
            special_tokens_in_content=entry["special_tokens_in_content"],
            **common,
        )

    def _template(self, name: str | None, path: str) -> Path | None:
        if not name:
            return None
        for folder in (self.base, self.templates):
            if self.files.has(folder / name):
                return folder / name
        self._problem(
            path,
            f"there is no file {name!r}, neither beside the configuration file nor in"
            " chat_templates/; leave it out to use the tokenizer's own template",
        )
        return None

    def _facts(self, name: str, folder: Path, path: str) -> GenerationFacts | None:
        info = self.infos.get(name, {})
        known = read_facts(folder)
        numbers = {
            "start_id": first_given(info.get("start_id"), known.bos_id, -1),
            "end_id": first_given(info.get("end_id"), known.eos_ids[0] if known.eos_ids else None),
            "max_len": first_given(info.get("max_len"), known.context),
        }
        missing = [key for key, value in numbers.items() if value is None]
        if missing and name in {info.get("name") for _, info in self._broken("model_infos")}:
            # They may be there; what is wrong with the description is told.
            return None
        if missing:
            self._problem(
                path,
                f"{' and '.join(missing)} cannot be read from the model's folder; add a"
                f" model_infos entry with the name {name!r} that gives them",
            )
            return None
        return GenerationFacts(**numbers, **_defaults(info), end_ids=_other_ends(info, known))

    def _encoder(self, entry: Mapping[str, Any], path: str) -> dict[str, Any] | None:
        common = self._common(entry, path)
        if common is None:
            return None
        found = read_pooling(common["folder"]).max_tokens
        return {
            **common,
            "max_tokens": entry["max_tokens"] or found or DEFAULT_ENCODER_TOKENS,
            "inputs": entry["input_config"],
            "output": entry["output_config"]["name"],
        }

    def _embedding(self, entry: Mapping[str, Any], path: str) -> EmbeddingSpec | None:
        encoder = self._encoder(entry, path)
        if encoder is None:
            return None
        found = read_pooling(encoder["folder"])
        return EmbeddingSpec(
            pooling=entry["output_config"]["process"] or found.pooling or "cls",
            is_normalized=first_given(entry["normalize"], found.is_normalized, True),
            id_policy=entry["token_input"],
            **encoder,
        )

    def _rerank(self, entry: Mapping[str, Any], path: str) -> RerankSpec | None:
        encoder = self._encoder(entry, path)
        if encoder is None:
            return None
        activation = entry["output_config"]["process"] or "normalize"
        return RerankSpec(activation=activation, **encoder)


def _index(entry: tuple[str, Mapping[str, Any]]) -> int:
    """The place of an entry in its section: 3 of "llm[3]"."""
    return int(entry[0].rpartition("[")[2].rstrip("]"))


def _other_ends(info: Mapping[str, Any], known: FolderFacts) -> tuple[int, ...]:
    """Further end tokens of the folder, unless the file names its own end."""
    return () if info.get("end_id") is not None else known.eos_ids[1:]


def _defaults(info: Mapping[str, Any]) -> dict[str, Any]:
    names = ("temperature", "repetition_penalty", "top_k", "top_p", "max_tokens", "mask_positions")
    return {
        **{name: info.get(name) for name in names},
        "bad_words": read_words(info.get("bad_words", ())),
        "stop_words": read_words(info.get("stop_words", ())),
        "extra_inputs": info.get("extra_inputs", {}),
    }
