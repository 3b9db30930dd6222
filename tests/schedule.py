"""How pytest-xdist's processes share the tests: files as a whole, the long ones first."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# A browser and servers are started once, so one process has all that use them.
WHOLE = ("tests/browser/", "tests/faults/load/", "tests/faults/service/")
# What takes long and begins last keeps one process busy when the others have nothing left.
LONG = (*WHOLE, "tests/faults/", "tests/live/", "tests/hostile/", "tests/demo/", "tests/clients/")


class Schedule(LoadFileScheduling):
    """Files, and the folders that stay together."""

    def _split_scope(self, nodeid: str) -> str:
        folders = (folder for folder in WHOLE if nodeid.startswith(folder))
        return next(folders, None) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """The scheduler of all runs with several processes, which keeps the order of collection."""
    config.option.loadscopereorder = False
    return Schedule(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In one of several processes the long ones come first; in a single one, as they are."""
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    ranks = (rank for rank, folder in enumerate(LONG) if item.nodeid.startswith(folder))
    return next(ranks, len(LONG))
