"""Each list of the import contracts has all modules but those that use the libraries."""

from __future__ import annotations

from configparser import ConfigParser
from functools import cache

import grimp
import pytest

from app.settings import PROJECT_ROOT

CONTRACTS = ConfigParser()
CONTRACTS.read(PROJECT_ROOT / "setup.cfg")
FORBIDDEN = [
    name
    for name in CONTRACTS.sections()
    if name.startswith("importlinter:contract:") and CONTRACTS[name]["type"] == "forbidden"
]


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", include_external_packages=True)


def imports_one_of(module: str, libraries: set[str]) -> bool:
    inside = {module, *graph().find_descendants(module)}
    found = {there for here in inside for there in graph().find_modules_directly_imported_by(here)}
    return bool(found & libraries)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_contract_leaves_out_only_whoever_imports_the_library(name: str) -> None:
    listed = set(CONTRACTS[name]["source_modules"].split())
    libraries = set(CONTRACTS[name]["forbidden_modules"].split())
    users = {module for module in graph().find_children("app") if imports_one_of(module, libraries)}
    assert listed == graph().find_children("app") - users


def test_all_contracts_are_looked_at() -> None:
    assert len(FORBIDDEN) == 8
