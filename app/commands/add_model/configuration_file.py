"""The configuration file before and after: read, checked with the new entry, replaced whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.application import CHAT_TEMPLATES
from app.commands.add_model.configuration_text import with_entries
from app.commands.add_model.replacement import replace_file
from app.errors import ConfigurationError, Problem
from app.registry import ModelRegistry, read_registry
from app.registry.files import ConfigurationFiles
from app.services.catalogue import ServedModel, build_catalogue
from app.settings import Settings
from app.terminal.failures import EXIT_CONFIGURATION, CommandError

EMPTY = "{}\n"
SERVED = ("llm", "embedding", "rerank")


class Draft(ConfigurationFiles):
    """The files on disk, with another text in the place of one of them."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__()
        self._path = path
        self._text = text

    def read(self, path: Path) -> str:
        return self._text if path == self._path else super().read(path)


class ConfigurationFile:
    """The file as it was when this was made."""

    def __init__(self, path: Path) -> None:
        # What a link leads to is replaced, not the link.
        self.path = path.resolve()
        self.text = self._read()
        self._content = self._checked()

    def names(self) -> set[str]:
        """What its models are called."""
        entries = [entry for section in SERVED for entry in self._content.get(section) or []]
        return {entry["name"] for entry in entries}

    def with_entries(self, entries: Mapping[str, Mapping[str, Any]]) -> str:
        """Its text with these entries, by their sections."""
        return with_entries(self.text, entries)

    def model(self, text: str, name: str, settings: Settings) -> ServedModel:
        """The model of that name as the server would load it from such a text.

        Raises:
            ConfigurationError: every mistake there would be.
        """
        files = Draft(self.path, text)
        registry, problems = read_registry(self.path, CHAT_TEMPLATES, files)
        if problems:
            raise ConfigurationError(problems)
        catalogue = build_catalogue(ModelRegistry([registry.find(name)]), (), settings, files)
        return catalogue.model(name)

    def replace(self, text: str) -> Path | None:
        """Put this text in the file's place, all at once; gives where the old one is kept.

        Raises:
            CommandError: the file was changed meanwhile, or cannot be written.
        """
        if self._read() != self.text:
            raise CommandError(f"{self.path} was changed meanwhile; nothing is written")
        backup = self.path.with_name(self.path.name + ".bak")
        try:
            content = text.encode("utf-8")
            like = self.path.stat() if self.path.exists() else None
            if like is not None:
                replace_file(backup, self.text.encode("utf-8"), like)
            replace_file(self.path, content, like)
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", None) or "the entry is not text in UTF-8"
            raise CommandError(f"{self.path} cannot be written: {reason}") from None
        return backup if like is not None else None

    def _read(self) -> str:
        try:
            # Line ends as they are.
            return self.path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return EMPTY
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise CommandError(
                f"{self.path} cannot be read: {reason}", code=EXIT_CONFIGURATION
            ) from None

    def _checked(self) -> dict[str, Any]:
        """Its content. Raises ConfigurationError: a model is not added to a file with mistakes."""
        _, problems = read_registry(self.path, CHAT_TEMPLATES, Draft(self.path, self.text))
        if problems:
            raise ConfigurationError(
                [*problems, Problem(str(self.path), "correct these first; nothing is added")]
            )
        content: dict[str, Any] = json.loads(self.text)
        return content
