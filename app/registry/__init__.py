"""The models of the configuration file, immutable."""

from app.registry.loading import read_registry
from app.registry.model_registry import ModelRegistry
from app.registry.specs import (
    EmbeddingSpec,
    LanguageModelSpec,
    ModelSpec,
    RerankSpec,
    Timeouts,
)

__all__ = [
    "EmbeddingSpec",
    "LanguageModelSpec",
    "ModelRegistry",
    "ModelSpec",
    "RerankSpec",
    "Timeouts",
    "read_registry",
]
