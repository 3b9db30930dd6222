"""Finding a model by the name that a request gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.errors import ModelNotFound, ModelNotSupported
from app.registry.specs import ModelSpec
from app.types import Task

ENDPOINTS = {
    Task.GENERATE: "/v1/chat/completions and /v1/completions",
    Task.EMBED: "/v1/embeddings",
    Task.RERANK: "/v1/rerank",
}


class ModelRegistry:
    """The configured models, in the order of the file. Immutable."""

    def __init__(self, specs: Sequence[ModelSpec], warnings: Sequence[str] = ()) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self.warnings = tuple(warnings)

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self._specs.values())

    def find(self, name: str) -> ModelSpec:
        """The model of that name.

        Raises:
            ModelNotFound: none is configured.
        """
        spec = self._specs.get(name)
        if spec is None:
            known = ", ".join(self._specs) or "none"
            raise ModelNotFound(
                f"the model {name[:64]!r} does not exist; there are: {known[:1024]}", param="model"
            )
        return spec

    def resolve(self, name: str, task: Task) -> ModelSpec:
        """The model of that name, which must be for `task`.

        Raises:
            ModelNotFound: none is configured.
            ModelNotSupported: it serves another endpoint, which the message names.
        """
        spec = self.find(name)
        if spec.task is not task:
            raise ModelNotSupported(
                f"the model {name!r} does not serve this endpoint; use {ENDPOINTS[spec.task]}",
                param="model",
            )
        return spec
