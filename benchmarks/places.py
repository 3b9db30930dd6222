"""Where the benchmark finds what it needs, and on which cores its parts run."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVER_ENVIRONMENT = ROOT / ".venv"
BENCH = SERVER_ENVIRONMENT / "bench"
"""Everything that the benchmark alone needs is installed and built below this folder."""
PROGRAMS = BENCH / "bin"
CHAT_FOLDER = ROOT / "demo" / "models" / "demo-chat"
ENCODER_FOLDER = ROOT / "demo" / "models" / "all-minilm-l6-v2"
OPEN_FILES = 65536


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the parts are pinned to; with two cores, backend and load share the second."""

    available: tuple[int, ...]

    @classmethod
    def of_machine(cls) -> "Cores":
        return cls(tuple(sorted(os.sched_getaffinity(0))))

    def server(self, workers: int) -> set[int]:
        """One core for each worker, from the first."""
        return set(self.available[:workers])

    @property
    def backend(self) -> set[int]:
        """The mock, or Triton. Triton may use all that is left, the mock has one thread."""
        return set(self.available[2:-1] or self.available[-1:])

    @property
    def load(self) -> set[int]:
        """The load generator and the harness."""
        return set(self.available[-1:])


def allow_open_files() -> None:
    """Let this process and its children hold a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
