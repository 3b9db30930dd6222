"""From what is known of a model to its entries in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.types import Task

SECTIONS: Mapping[Task, str] = {
    Task.GENERATE: "llm",
    Task.EMBED: "embedding",
    Task.RERANK: "rerank",
}
DEFAULT_BACKEND = "fastertransformer"


@dataclass(frozen=True, slots=True)
class NewModel:
    """What is to be written; None and empty stand for what the server finds out itself."""

    task: Task
    name: str
    triton_model: str
    url: str
    path: str
    backend: str | None = None
    chat_template: str | None = None
    activation: str | None = None
    facts: Mapping[str, int] = field(default_factory=dict)
    trusts_remote_code: bool = False

    def entries(self) -> dict[str, dict[str, Any]]:
        """One entry in its section, and one in model_infos where the folder tells too little."""
        entry: dict[str, Any] = {"name": self.name, "url": self.url, "path": self.path}
        if self.triton_model != self.name:
            entry["triton_model"] = self.triton_model
        if self.backend not in (None, DEFAULT_BACKEND):
            entry["backend"] = self.backend
        if self.chat_template is not None:
            entry["chat_template"] = self.chat_template
        if self.activation is not None:
            entry["output_config"] = {"process": self.activation}
        if self.trusts_remote_code:
            entry["trust_remote_code"] = True
        found = {SECTIONS[self.task]: entry}
        if self.facts:
            found["model_infos"] = {"name": self.name, **self.facts}
        return found


def written_path(given: str, configuration: Path) -> tuple[str, Path]:
    """How the entry names a folder that was typed in the working folder, and the folder itself.

    One beside the configuration file or below is named relative to it, so that both can move.
    """
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        beside = configuration.parent / Path(given).expanduser()
        return given, beside
    base = configuration.parent.absolute()
    if folder.is_relative_to(base) and folder != base:
        return str(folder.relative_to(base)), folder
    return str(folder), folder
