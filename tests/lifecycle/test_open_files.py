"""The limit of open files, in processes that may have few."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PROGRAM = """
import resource
from app.lifecycle.open_files import possible, raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_limit({connections})
print(possible({connections}), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "found"),
    [
        # As much as it takes, and no more.
        (256, 4096, 1000, (1000, 2100, 4096)),
        (3000, 4096, 1000, (1000, 3000, 4096)),
        # As much as it may.
        (256, 1024, 2048, (462, 1024, 1024)),
        (256, 256, 2048, (78, 256, 256)),
        (64, 64, 2048, (1, 64, 64)),
    ],
)
def test_a_process_may_have_as_many_connections_as_it_has_files_for(
    soft: int, hard: int, connections: int, found: tuple[int, ...]
) -> None:
    program = PROGRAM.format(soft=soft, hard=hard, connections=connections)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert tuple(map(int, done.stdout.split())) == found
