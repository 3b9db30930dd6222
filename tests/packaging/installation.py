"""An environment that has the wheel and what it requires, and nothing of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Installation:
    """A virtual environment, and an empty folder in which its programs run."""

    prefix: Path
    folder: Path

    @classmethod
    def below(cls, folder: Path) -> Installation:
        """That of a folder which has both."""
        return cls(folder / "environment", folder / "elsewhere")

    @property
    def site_packages(self) -> Path:
        """Where the wheel is."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.prefix / "lib" / version / "site-packages"

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.prefix / "bin" / name)

    def environment(self, **variables: str) -> dict[str, str]:
        """The process environment: no setting, and no path to look for modules in."""
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return {**kept, **variables}

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The finished program; the first word is its name."""
        return subprocess.run(
            [self.program(command[0]), *command[1:]],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=480,
            check=False,
        )


def install(wheel: Path, folder: Path) -> Installation:
    """Install the wheel; the libraries that it requires are those of this interpreter."""
    installation = Installation.below(folder)
    installation.folder.mkdir()
    venv.create(installation.prefix, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(installation.prefix), "install"]
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)]
    subprocess.run([*pip, *options], check=True)
    # One more folder to import from. Its own .pth files, such as the checkout's, do not count.
    libraries = sysconfig.get_path("purelib")
    (installation.site_packages / "libraries.pth").write_text(f"{libraries}\n")
    return installation
