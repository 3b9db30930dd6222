"""The configured models, ready to use: each with its tokenizer, its backend and its places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from app import offload
from app.backends.cross_encoder import CrossEncoder
from app.backends.embedding import Embedding
from app.backends.fastertransformer import FasterTransformer
from app.backends.generation import GenerationBackend
from app.backends.tensorrt_llm import TensorrtLlm
from app.backends.vllm import Vllm
from app.errors import ConfigurationError, Problem
from app.prompting.chat_templates import ChatTemplate, TemplateLoadError
from app.prompting.cl100k import Cl100k, Cl100kLoadError, load_cl100k
from app.prompting.tokenizers import Tokenizer, TokenizerLoadError, load_tokenizer
from app.registry import EmbeddingSpec, LanguageModelSpec, ModelRegistry, ModelSpec, RerankSpec
from app.registry.files import ConfigurationFiles
from app.services.admission import Admission
from app.services.origins import Origin, origin_of
from app.settings import Settings
from app.triton.grpc_connection import GrpcConnection
from app.triton.model_replicas import encoder_replicas, language_replicas
from app.triton.replicas import Replicas, Sites
from app.types import Task

T = TypeVar("T")

BACKENDS: Mapping[
    str,
    Callable[[LanguageModelSpec, Replicas[GrpcConnection], Tokenizer], GenerationBackend],
] = {
    "fastertransformer": FasterTransformer,
    "tensorrt_llm": TensorrtLlm,
    "vllm": Vllm,
}


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model that continues prompts; `template` is None where none is known."""

    spec: LanguageModelSpec
    tokenizer: Tokenizer
    template: ChatTemplate | None
    backend: GenerationBackend
    admission: Admission


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that turns texts into vectors; `cl100k` reads token ids that are not its own."""

    spec: EmbeddingSpec
    tokenizer: Tokenizer
    backend: Embedding
    admission: Admission
    cl100k: Cl100k | None = None


@dataclass(frozen=True, slots=True)
class RerankModel:
    """A model that scores documents for a query."""

    spec: RerankSpec
    tokenizer: Tokenizer
    backend: CrossEncoder
    admission: Admission


ServedModel = LanguageModel | EmbeddingModel | RerankModel


class Catalogue:
    """All models of a registry. Immutable.

    `origins`, by name, and `sites` are for the catalogue that replaces it.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        models: Mapping[str, ServedModel],
        origins: Mapping[str, Origin],
        sites: Sites[GrpcConnection],
    ) -> None:
        self.registry = registry
        self.origins = origins
        self.sites = sites
        self._models = models

    def language_model(self, name: str) -> LanguageModel:
        """The language model of that name. Raises as `ModelRegistry.resolve`."""
        return self._get(name, Task.GENERATE, LanguageModel)

    def embedding_model(self, name: str) -> EmbeddingModel:
        """The embedding model of that name. Raises as `ModelRegistry.resolve`."""
        return self._get(name, Task.EMBED, EmbeddingModel)

    def rerank_model(self, name: str) -> RerankModel:
        """The rerank model of that name. Raises as `ModelRegistry.resolve`."""
        return self._get(name, Task.RERANK, RerankModel)

    def scoring_model(self, name: str) -> RerankModel | EmbeddingModel:
        """The rerank or embedding model of that name. Raises as `ModelRegistry.resolve`."""
        model = self._models[self.registry.resolve(name, Task.RERANK, Task.EMBED).name]
        assert isinstance(model, (RerankModel, EmbeddingModel))
        return model

    def model(self, name: str) -> ServedModel:
        """The model of that name, whatever it is for. Raises as `ModelRegistry.find`."""
        return self._models[self.registry.find(name).name]

    def __iter__(self) -> Iterator[ServedModel]:
        return iter(self._models.values())

    def _get(self, name: str, task: Task, kind: type[T]) -> T:
        model = self._models[self.registry.resolve(name, task).name]
        assert isinstance(model, kind)
        return model


def build_catalogue(
    registry: ModelRegistry,
    problems: Sequence[Problem],
    settings: Settings,
    files: ConfigurationFiles,
    previous: Catalogue | None = None,
) -> Catalogue:
    """Load every tokenizer and template; connect to nothing yet.

    The table of cl100k is read only if a model wants it. What the `previous` catalogue has and has
    not changed is taken from it: a model keeps its connections and its places.

    Raises:
        ConfigurationError: `problems`, and every folder or template that cannot be used.
    """
    origins = {spec.name: origin_of(spec, files) for spec in registry}
    builder = _Builder(settings, files, origins, previous)
    models = {spec.name: builder.kept(spec) or builder.build(spec) for spec in registry}
    if problems or builder.problems:
        raise ConfigurationError([*problems, *builder.problems])
    built = {name: model for name, model in models.items() if model}
    return Catalogue(registry, built, origins, builder.sites)


class _Builder:
    def __init__(
        self,
        settings: Settings,
        files: ConfigurationFiles,
        origins: Mapping[str, Origin],
        previous: Catalogue | None,
    ) -> None:
        self.problems: list[Problem] = []
        self._settings = settings
        self._files = files
        self._origins = origins
        self._previous = previous
        # One connection to a Triton serves all its language models.
        self.sites = (
            Sites(lambda address: GrpcConnection(address, settings.grpc_client))
            if previous is None
            else previous.sites
        )
        self._tokenizers: dict[tuple[Path, bool], Tokenizer] = {}

    def kept(self, spec: ModelSpec) -> ServedModel | None:
        """The model of the previous catalogue, if it was made from the same."""
        previous = self._previous
        if previous is None or previous.origins.get(spec.name) != self._origins[spec.name]:
            return None
        return previous.model(spec.name)

    def build(self, spec: ModelSpec) -> ServedModel | None:
        tokenizer = self._try(spec, "path", TokenizerLoadError, lambda: self._tokenizer(spec))
        if isinstance(spec, LanguageModelSpec):
            return self._language_model(spec, tokenizer)
        if tokenizer is None:
            return None
        parts: dict[str, Any] = {"tokenizer": tokenizer, "admission": _admission(spec)}
        if isinstance(spec, EmbeddingSpec):
            cl100k = self._cl100k_for(spec)
            embedding = Embedding(spec, encoder_replicas(spec), tokenizer.pad_id or 0)
            return EmbeddingModel(spec=spec, backend=embedding, cl100k=cl100k, **parts)
        assert isinstance(spec, RerankSpec)
        cross_encoder = CrossEncoder(spec, encoder_replicas(spec), tokenizer.pad_id or 0)
        return RerankModel(spec=spec, backend=cross_encoder, **parts)

    def _tokenizer(self, spec: ModelSpec) -> Tokenizer:
        """One for all models of a folder: it never changes, and each would take memory and time."""
        key = spec.folder, spec.trust_remote_code
        if key not in self._tokenizers:
            self._tokenizers[key] = self._kept_tokenizer(spec) or offload.run_if(
                # Requests are served while a configuration is reloaded.
                self._previous is not None,
                load_tokenizer,
                key[0],
                trust_remote_code=key[1],
            )
        return self._tokenizers[key]

    def _kept_tokenizer(self, spec: ModelSpec) -> Tokenizer | None:
        previous, origin = self._previous, self._origins[spec.name]
        if previous is None:
            return None
        found = (m for m in previous if previous.origins[m.spec.name].has_tokenizer_of(origin))
        return next((model.tokenizer for model in found), None)

    def _cl100k_for(self, spec: EmbeddingSpec) -> Cl100k | None:
        if spec.id_policy != "cl100k":
            return None
        return self._try(spec, "token_input", Cl100kLoadError, lambda: self._cl100k)

    @cached_property
    def _cl100k(self) -> Cl100k:
        return load_cl100k(self._settings.cl100k_file)

    def _language_model(
        self, spec: LanguageModelSpec, tokenizer: Tokenizer | None
    ) -> LanguageModel | None:
        template = self._try(
            spec,
            "chat_template",
            TemplateLoadError,
            lambda: _template(spec, tokenizer, self._files),
        )
        if tokenizer is None:
            return None
        replicas = language_replicas(spec, self.sites)
        backend = BACKENDS[spec.backend](spec, replicas, tokenizer)
        return LanguageModel(spec, tokenizer, template, backend, _admission(spec))

    def _try(
        self, spec: ModelSpec, key: str, kind: type[Exception], load: Callable[[], T]
    ) -> T | None:
        try:
            return load()
        except kind as error:
            self.problems.append(Problem(f"{spec.place}.{key}", str(error)))
            return None


def _template(
    spec: LanguageModelSpec, tokenizer: Tokenizer | None, files: ConfigurationFiles
) -> ChatTemplate | None:
    source = tokenizer.chat_template if tokenizer is not None else None
    if spec.chat_template is not None:
        try:
            source = files.read(spec.chat_template)
        except UnicodeDecodeError:
            raise TemplateLoadError("The file is not UTF-8 text; save it as UTF-8.") from None
        except OSError as error:
            raise TemplateLoadError(f"The file cannot be read: {error.strerror}.") from None
    return ChatTemplate.from_source(source) if source else None


def _admission(spec: ModelSpec) -> Admission:
    return Admission(spec.max_inflight, spec.max_queue, spec.max_queue_wait)
