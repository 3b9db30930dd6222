"""What a model was made from: of equal origins the models are equal, and need not be made again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.registry import LanguageModelSpec, ModelSpec
from app.registry.files import ConfigurationFiles

FolderState = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Origin:
    """An entry wherever it is in the file, its template, and the files of its folder."""

    spec: ModelSpec
    template: str | None
    folder: FolderState

    def has_tokenizer_of(self, other: Origin) -> bool:
        """Whether one tokenizer serves both."""
        return (self.spec.folder, self.spec.trust_remote_code, self.folder) == (
            other.spec.folder,
            other.spec.trust_remote_code,
            other.folder,
        )


def origin_of(spec: ModelSpec, files: ConfigurationFiles) -> Origin:
    """That of a model which is about to be made."""
    return Origin(replace(spec, place=""), _template(spec, files), _folder_state(spec.folder))


def _template(spec: ModelSpec, files: ConfigurationFiles) -> str | None:
    if not isinstance(spec, LanguageModelSpec) or spec.chat_template is None:
        return None
    try:
        return files.read(spec.chat_template)
    except (OSError, UnicodeDecodeError):
        # Told when the template is loaded.
        return None


def _folder_state(folder: Path) -> FolderState:
    """Size and time of change, in nanoseconds, of each file of a tokenizer's folder."""
    try:
        states = {entry.name: entry.stat() for entry in os.scandir(folder) if entry.is_file()}
    except OSError:
        return {}
    return {name: (state.st_size, state.st_mtime_ns) for name, state in states.items()}
