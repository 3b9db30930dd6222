"""The instructions of the Dockerfile, and what its build leaves in the image."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.packages.made_once import made_once
from tests.supply.locks import PROJECT

TEXT = (PROJECT / "Dockerfile").read_text().replace("\\\n", "")
INSTRUCTIONS = [
    (word, value)
    for line in TEXT.splitlines()
    if line.strip() and not line.startswith("#")
    for word, value in [line.strip().split(maxsplit=1)]
]
LAST_STAGE = INSTRUCTIONS[max(i for i, (word, _) in enumerate(INSTRUCTIONS) if word == "FROM") :]

# The step that builds and installs the package itself.
(BUILD,) = (value for word, value in INSTRUCTIONS if word == "RUN" and " wheel " in value)


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


@dataclass(frozen=True)
class Image:
    """What the build leaves: an environment with the package, and the folder of the script.

    What the lock installs is that of this interpreter, in the folder `libraries`.
    """

    venv: Path
    home: Path
    libraries: Path

    @classmethod
    def below(cls, folder: Path) -> Image:
        """What the build left in `folder`."""
        return cls(folder / "venv", folder / "home", Path(sysconfig.get_path("purelib")))


def image() -> Image:
    """What the build's steps leave, but for those that fetch something. Nobody may change it."""
    return Image.below(made_once("image", _build))


def _build(folder: Path) -> None:
    made = Image.below(folder)
    source = folder / "source"
    source.mkdir()
    for name in copied():
        if (PROJECT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT / name, source / name, ignore=ignored)
        else:
            shutil.copy(PROJECT / name, source / name)
    venv.create(made.venv, with_pip=False, symlinks=True)
    (site,) = made.venv.glob("lib/python*/site-packages")
    # One more folder to import from, also where container.sh shows it. Its own .pth files, such as
    # the checkout's, do not count.
    (site / "libraries.pth").write_text(f"{made.libraries}\n/opt/libraries\n")
    places = {
        "/opt/venv": made.venv,
        "/opt/openai_api": made.home,
        "python3 ": sys.executable + " ",
    }
    command = BUILD
    for old, new in places.items():
        assert old in BUILD, old
        command = command.replace(old, str(new))
    done = subprocess.run(
        ["bash", "-euc", f"umask 022; {command}"], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
