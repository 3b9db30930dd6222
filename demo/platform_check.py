"""Whether this machine and this Python can run the demo's Triton; each refusal is one sentence."""

import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from demo.errors import DemoError

MIN_GLIBC = (2, 35)
"""The wheel that carries tritonserver is tagged manylinux_2_35."""

PYTHONS = ((3, 11), (3, 13))
"""First and last Python whose stub of the Python backend and whose numpy exist."""

BUNDLED_LIBPYTHON = (3, 13)
"""For this Python the wheel brings its own libpython."""

LDCONFIG = "/sbin/ldconfig"


def check_platform() -> None:
    """Raise `DemoError` unless this is Linux x86-64 with a new enough glibc and a known Python."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise DemoError(
            f"The demo's Triton runs on Linux x86-64 only, and this is {platform.system()}"
            f" {platform.machine()}; use another machine."
        )
    _check_glibc()
    if not PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        raise DemoError(
            f"The demo's Triton needs Python 3.11 to 3.13, and this is {platform.python_version()}:"
            " run it with another interpreter."
        )


def _check_glibc() -> None:
    needed = ".".join(map(str, MIN_GLIBC))
    try:
        found = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
        version = tuple(int(part) for part in found.split(".")[:2])
    except (ValueError, OSError):
        raise DemoError(
            f"The demo's Triton needs glibc {needed}, and this system has none."
        ) from None
    if version < MIN_GLIBC:
        raise DemoError(
            f"The demo's Triton needs glibc {needed} or newer, and this system has {found}:"
            " use a newer distribution (Debian 12, Ubuntu 22.04, Fedora 36) or the container."
        )


def find_libpython() -> Path | None:
    """The folder of the shared libpython that Triton's Python stub loads, None if it needs none.

    A distribution's is on the loader's path, one built by pyenv or uv is in the interpreter's own
    folder. Raises `DemoError` when there is none.
    """
    major, minor = sys.version_info[:2]
    if (major, minor) == BUNDLED_LIBPYTHON:
        return None
    name = f"libpython{major}.{minor}.so.1.0"
    for folder in _library_folders():
        if (folder / name).exists():
            return folder
    raise DemoError(
        f"Triton's Python backend needs {name}, which this Python does not have: install the"
        f" package libpython{major}.{minor} (Debian, Ubuntu) or python{major}.{minor}-libs"
        " (Fedora), or use a Python built with --enable-shared."
    )


def _library_folders() -> list[Path]:
    libdir = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    return [libdir, libdir / multiarch, Path(sys.base_prefix) / "lib", *_loader_folders()]


def _loader_folders() -> list[Path]:
    """Folders of every libpython that the dynamic loader knows."""
    try:
        command = [LDCONFIG, "-p"]
        listing = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    paths = (line.rpartition(" => ")[2] for line in listing.stdout.splitlines())
    return [Path(path).parent for path in paths if "/libpython" in path]
