"""Configuration files and model folders for the tests of the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError, Problem
from app.registry import ModelRegistry, read_registry
from app.registry.files import ConfigurationFiles

LLM = {"name": "chat", "url": "localhost:8001", "path": "model"}
INFO = {"name": "chat", "start_id": 1, "end_id": 2, "max_len": 100}
EMBEDDING = {"name": "embed", "url": "localhost:8000", "path": "model"}
RERANK = {"name": "rank", "url": "localhost:8000", "path": "model"}


def write_folder(base: Path, name: str = "model", **files: Any) -> Path:
    """A model folder; `config={...}` becomes config.json, `a__b` the file b.json in a."""
    folder = base / name
    folder.mkdir(exist_ok=True)
    for stem, content in files.items():
        path = folder / (stem.replace("__", "/") + ".json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def load(base: Path, content: Any) -> ModelRegistry:
    """The registry of this configuration, in a folder that has a model and its own templates."""
    write_folder(base)
    (base / "own").mkdir(exist_ok=True)
    path = base / "models.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    registry, found = read_registry(path, base / "own", ConfigurationFiles())
    if found:
        raise ConfigurationError(found)
    return registry


def problems(base: Path, content: Any) -> list[Problem]:
    """Every problem of this configuration."""
    try:
        load(base, content)
    except ConfigurationError as error:
        return error.problems
    return []


def paths(base: Path, content: Any) -> list[str]:
    return [problem.path for problem in problems(base, content)]
