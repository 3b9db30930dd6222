"""What the package imports is what it asks pip for."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement

from app.settings import PROJECT_ROOT

APP = PROJECT_ROOT / "app"


def canonical(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> Iterator[Requirement]:
    """Those of every installation, and those of the extra."""
    configuration = ConfigParser()
    configuration.read(PROJECT_ROOT / "setup.cfg")
    lines = (PROJECT_ROOT / "requirements.in").read_text().splitlines()
    lines += configuration["options.extras_require"]["tracing"].splitlines()
    for line in lines:
        if line.strip() and not line.startswith("#"):
            yield Requirement(line)


def declared() -> set[str]:
    """The distributions that are named, and those that their named extras bring."""
    found = set()
    for requirement in requirements():
        found.add(canonical(requirement.name))
        for extra in requirement.extras:
            needed = [Requirement(line) for line in requires(requirement.name) or ()]
            found |= {
                canonical(each.name)
                for each in needed
                if each.marker is not None and each.marker.evaluate({"extra": extra})
            }
    return found


def imported(file: Path) -> set[str]:
    """The roots of what a module imports, anywhere in it."""
    roots = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            roots.add(node.module.split(".")[0])
    return roots - sys.stdlib_module_names - {"app"}


def undeclared(folder: Path) -> dict[str, set[str]]:
    """The files that import what is not declared, and what that is."""
    owners, known = packages_distributions(), declared()
    files = {str(file.relative_to(folder)): imported(file) for file in folder.rglob("*.py")}
    missing = {
        name: {root for root in roots if not known & set(map(canonical, owners.get(root, ())))}
        for name, roots in files.items()
    }
    return {name: roots for name, roots in missing.items() if roots}


def test_every_import_is_declared() -> None:
    assert undeclared(APP) == {}


def test_what_is_not_declared_is_found_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/late.py").write_text("def f():\n    from pytest.x import Y\n")
    (tmp_path / "absent.py").write_text("import os, flask, absent_from_here.x\nfrom . import a\n")
    found = {"inside/late.py": {"pytest"}, "absent.py": {"absent_from_here"}}
    assert undeclared(tmp_path) == found
