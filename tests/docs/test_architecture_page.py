"""docs/architecture.md: what it names exists, and its layers are those of setup.cfg."""

from __future__ import annotations

import configparser
import re

from tests.docs.pages import BLOCK, PROJECT, blocks, code_spans

PAGE = PROJECT / "docs" / "architecture.md"
FILE = re.compile(r"`(?:app/)?([a-z_]+/[a-z_]+\.py|[a-z_]+\.py|setup\.cfg|gunicorn\.conf\.py)`")


def test_the_layers_are_those_that_are_checked() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / "setup.cfg")
    layers = config["importlinter:contract:layers"]["layers"].replace("|", "\n").split()
    (diagram,) = (block.text for block in blocks(PAGE) if not block.language)
    named = [re.split(r"\s{2,}", line)[0] for line in diagram.splitlines()]
    assert sorted(name for line in named for name in re.split(r",\s*", line)) == sorted(layers)


def test_named_files_exist() -> None:
    for name in FILE.findall(PAGE.read_text()):
        assert (PROJECT / "app" / name).is_file() or (PROJECT / name).is_file(), name


def test_named_functions_exist() -> None:
    paths = [*(PROJECT / "app").rglob("*.py"), PROJECT / "setup.cfg", PROJECT / "gunicorn.conf.py"]
    sources = "\n".join(path.read_text() for path in paths)
    names = {
        part
        for span in code_spans(BLOCK.sub("", PAGE.read_text()))
        if not (PROJECT / span).exists() and re.fullmatch(r"[A-Za-z_]+(\.[a-z_]+)?(\(\w*\))?", span)
        for part in re.split(r"\W+", span)
        if part
    }
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", sources)) == []
