"""What is in the wheel, and what is not."""

from __future__ import annotations

import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from app.version import VERSION
from tests.docs.pages import PROJECT
from tests.packaging.building import DECOYS, build_wheel, contents, tree

BESIDE_APP = {"gunicorn.conf.py", "model_config.json", "openai_api_cli.py", "wsgi.py"}
# The rest of the demo trains its model and compares it with others.
DEMO = ("*.py", "requirements.txt", "llm/*.py", "minilm/*.py", "models/demo-chat/*")
REPOSITORY = ("*/config.pbtxt", "*/1/model.py")
PLACE = "app/bundled/"


def test_nothing_but_app_is_at_the_top(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in contents(wheel)}
    assert tops == {"app", f"openai_api-{VERSION}.dist-info"}


def test_all_of_app_is_in_it(wheel: Path, source: Path) -> None:
    app = {name for name in tree(source, "app/**/*") if "/__pycache__/" not in name}
    found = {name for name in contents(wheel) if name.startswith("app/")}
    assert {name for name in found if not name.startswith(PLACE)} == app
    assert {Path(name).suffix for name in app} == {".py", ".typed", ".html", ".css", ".js"}


def test_what_lies_beside_app_is_in_it(wheel: Path, source: Path) -> None:
    demo = {f"demo/{name}" for name in tree(source / "demo", *DEMO)}
    repository = tree(source / "demo" / "repository", *REPOSITORY)
    templates = tree(source, "chat_templates/*.jinja")
    assert len(templates) >= 10
    expected = {*BESIDE_APP, *demo, *templates, *(f"demo/repository/{name}" for name in repository)}
    found = {name.removeprefix(PLACE) for name in contents(wheel) if name.startswith(PLACE)}
    assert found == expected


@pytest.mark.parametrize("decoy", DECOYS)
def test_what_is_left_in_a_checkout_is_not(wheel: Path, source: Path, decoy: str) -> None:
    assert (source / decoy).exists()
    assert not [name for name in contents(wheel) if name.endswith(decoy)]


def test_the_source_folder_makes_the_same_wheel(wheel: Path, source: Path, tmp_path: Path) -> None:
    """Without a detour by the archive of the sources; only the list of files names its size."""
    assert contents(build_wheel(source, tmp_path)) == contents(wheel)


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"openai_api-{VERSION}.dist-info/METADATA").decode()
    return Parser().parsestr(text)


def test_its_version_and_pythons(metadata: Message) -> None:
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.11"
    pythons = {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)}
    given = {
        value for value in metadata.get_all("Classifier", []) if value.count(" :: Python :: 3.")
    }
    assert given == pythons


def test_it_requires_what_the_server_needs(metadata: Message) -> None:
    lines = (PROJECT / "requirements.in").read_text().splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    given = [value for value in metadata.get_all("Requires-Dist", []) if "extra ==" not in value]
    assert set(given) == wanted
