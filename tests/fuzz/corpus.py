"""The kept corpus: a file for each target, an input on each line, in base64."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")


def read_corpus(target: str) -> list[bytes]:
    """The kept inputs."""
    path = FOLDER / f"{target}.txt"
    return [b64decode(line) for line in path.read_text().split()] if path.is_file() else []


def write_corpus(target: str, inputs: set[bytes]) -> None:
    """Keep these, the shortest first."""
    lines = [
        b64encode(each).decode() for each in sorted(inputs, key=lambda each: (len(each), each))
    ]
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
