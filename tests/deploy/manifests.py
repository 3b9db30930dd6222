"""The documents of deploy/kubernetes: as they lie there, and as `kubectl kustomize` joins them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import PROJECT

KUBERNETES = PROJECT / "deploy" / "kubernetes"
GATEWAY, TRITON, EXAMPLE = (KUBERNETES / name for name in ("gateway", "triton", "example"))
COMPONENTS = sorted((KUBERNETES / "components").iterdir())
# Its client composes without a cluster. No package registry has one that is new enough.
KUBECTL = shutil.which("kubectl")
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on PATH")

Document = dict[str, Any]


def listed(folder: Path) -> Document:
    """A folder's kustomization.yaml."""
    found: Document = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return found


def documents(*folders: Path) -> list[Document]:
    """Every document that the folders list, as written."""
    names = [folder / name for folder in folders for name in listed(folder).get("resources", [])]
    return [
        document
        for path in names
        if path.is_file()
        for document in yaml.safe_load_all(path.read_text())
    ]


def one(kind: str, *folders: Path) -> Document:
    """The only document of a kind."""
    (found,) = (each for each in documents(*folders) if each["kind"] == kind)
    return found


def pod(folder: Path) -> Document:
    """The pods of a folder's Deployment: their `spec`."""
    found: Document = one("Deployment", folder)["spec"]["template"]["spec"]
    return found


def container(folder: Path) -> Document:
    """The only container of these pods."""
    (found,) = pod(folder)["containers"]
    return dict(found)


def settings() -> dict[str, str]:
    """The gateway's variables."""
    lines = (GATEWAY / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@cache
def _kustomized(folder: Path) -> str:
    assert KUBECTL is not None
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kustomized(folder: Path) -> list[Document]:
    """What would be applied."""
    return [document for document in yaml.safe_load_all(_kustomized(folder)) if document]


def with_component(name: str, folder: Path) -> list[Document]:
    """What would be applied of a copy of the example, made in `folder`, with this component."""
    copy = shutil.copytree(KUBERNETES, folder / "kubernetes") / "example"
    file = copy / "kustomization.yaml"
    content = yaml.safe_load(file.read_text())
    content["components"] = [f"../components/{name}"]
    file.write_text(yaml.safe_dump(content))
    return kustomized(copy)
