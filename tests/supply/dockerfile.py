"""The instructions of the Dockerfile, and the project as it lies in the image."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

from tests.supply.locks import PROJECT

TEXT = (PROJECT / "Dockerfile").read_text().replace("\\\n", "")
INSTRUCTIONS = [
    (word, value)
    for line in TEXT.splitlines()
    if line.strip() and not line.startswith("#")
    for word, value in [line.strip().split(maxsplit=1)]
]
LAST_STAGE = INSTRUCTIONS[max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]


def values(word: str) -> list[str]:
    """What the last stage says with an instruction."""
    return [value for name, value in LAST_STAGE if name == word]


def environment() -> dict[str, str]:
    """The variables that the image sets; PATH is only what it puts first."""
    pairs = [pair.split("=", 1) for value in values("ENV") for pair in shlex.split(value)]
    return {name: re.sub(r":\$PATH$", "", value) for name, value in pairs}


def copied() -> list[str]:
    """What is copied out of the project."""
    copies = [value for name, value in INSTRUCTIONS if name == "COPY" and "--from" not in value]
    return [source for value in copies for source in value.split()[:-1]]


def image(folder: Path) -> Path:
    """The project as it lies in the image, without what is installed."""
    for name in copied():
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder
