"""Every document is one that Kubernetes takes, and nothing is left out of the lists."""

from __future__ import annotations

import ipaddress
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.manifests import (
    COMPONENTS,
    EXAMPLE,
    GATEWAY,
    KUBERNETES,
    TRITON,
    Document,
    documents,
    kustomized,
    listed,
    needs_kubectl,
    with_component,
)

FOLDERS = [GATEWAY, TRITON, EXAMPLE, *COMPONENTS]
# The oldest that knows all of it, and the newest.
VERSIONS = ("1.27", "1.32", "1.37")
# Documents of others than Kubernetes itself, whose schemas are not at hand.
FOREIGN = {"monitoring.coreos.com/v1"}
ALL = documents(*FOLDERS)


def name_of(value: Any) -> str:
    return f"{value['kind']} {value['metadata']['name']}" if isinstance(value, dict) else str(value)


def validate(document: Document, version: str) -> None:
    if document["apiVersion"] not in FOREIGN:
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", ALL, ids=name_of)
def test_kubernetes_takes_it(document: Document, version: str) -> None:
    validate(document, version)


def test_the_validation_finds_what_is_wrong() -> None:
    broken = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}, "extra": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(broken, VERSIONS[-1])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_is_listed(folder: Path) -> None:
    content = listed(folder)
    generated = [
        name
        for each in content.get("configMapGenerator", [])
        for name in (*each.get("files", ()), *each.get("envs", ()))
    ]
    names = [*content.get("resources", []), *generated]
    assert all((folder / name).exists() for name in names)
    own = {name for name in names if not name.startswith("..")}
    assert own | {"kustomization.yaml"} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("folder", COMPONENTS, ids=lambda folder: folder.name)
def test_a_component_patches_what_is_there(folder: Path) -> None:
    content = listed(folder)
    assert content["kind"] == "Component"
    for patch in content.get("patches", []):
        kind, name = patch["target"]["kind"], patch["target"]["name"]
        (target,) = (
            each for each in ALL if (each["kind"], each["metadata"]["name"]) == (kind, name)
        )
        operations = yaml.safe_load(patch["patch"])
        # A document that is deleted is a mapping.
        for operation in operations if isinstance(operations, list) else []:
            found: Any = target
            for step in operation["path"].strip("/").split("/"):
                step = step.replace("~1", "/")
                found = found[int(step)] if isinstance(found, list) else found[step]
            assert operation["op"] != "test" or found == operation["value"]


def test_nothing_names_a_place_of_somebody() -> None:
    for path in KUBERNETES.rglob("*.*"):
        for word in path.read_text().split():
            try:
                address = ipaddress.ip_address(word.split(":")[0].strip("'\""))
            except ValueError:
                continue
            assert address.is_unspecified, f"{path.name}: {word}"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A copy of the example, which a test may change."""
    shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
    return tmp_path / "kubernetes" / "example"


@needs_kubectl
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_example_as_a_whole(version: str) -> None:
    for document in kustomized(EXAMPLE):
        validate(document, version)


@needs_kubectl
def test_the_example_holds_all_of_it() -> None:
    found = [(each["kind"], each["metadata"]["name"]) for each in kustomized(EXAMPLE)]
    written = [(each["kind"], each["metadata"]["name"]) for each in documents(GATEWAY, TRITON)]
    assert set(written) <= set(found)
    assert len(found) == len(written) + 3  # the namespace and two ConfigMaps
    assert all(
        each["metadata"]["namespace"] == "openai-api"
        for each in kustomized(EXAMPLE)
        if each["kind"] != "Namespace"
    )


@needs_kubectl
def test_a_changed_configuration_is_a_rolling_update(changed: Path) -> None:
    def template(folder: Path) -> Document:
        (found,) = (
            each
            for each in kustomized(folder)
            if (each["kind"], each["metadata"]["name"]) == ("Deployment", "openai-api")
        )
        return dict(found["spec"]["template"])

    before = template(EXAMPLE)
    file = changed / "model_config.json"
    file.write_text(file.read_text().replace("32768", "16384"))
    assert template(changed) != before


@needs_kubectl
@pytest.mark.parametrize("component", COMPONENTS, ids=lambda folder: folder.name)
def test_a_component_can_be_added(component: Path, tmp_path: Path) -> None:
    with_it = with_component(component.name, tmp_path)
    for document in with_it:
        validate(document, VERSIONS[-1])
    assert with_it != kustomized(EXAMPLE)
