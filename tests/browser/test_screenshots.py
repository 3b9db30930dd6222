"""The pictures of the documentation: they can be made from the page as it is, and are small."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.routes import HURRY
from tests.browser.scenes import SCENES
from tests.browser.screenshots import IMAGES, take
from tests.docs.pages import PAGES, PROJECT

MAX_BYTES = 200_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("name", SCENES)
def test_the_page_still_gets_there(
    name: str, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    scene = SCENES[name]
    path = tmp_path / "picture.png"
    page = open_page(**scene.options)
    page.add_init_script(HURRY)
    take(page, scene, path)
    assert path.read_bytes().startswith(SIGNATURE)


@pytest.mark.parametrize("name", SCENES)
def test_pictures_are_there_and_small(name: str) -> None:
    content = (IMAGES / f"{name}.png").read_bytes()
    assert content.startswith(SIGNATURE)
    assert len(content) < MAX_BYTES
    width, height = struct.unpack(">II", content[16:24])
    scene = SCENES[name]
    viewport = scene.options.get("viewport", {"width": 1280, "height": scene.height})
    scale = scene.options.get("device_scale_factor", 1)
    assert (width, height) == (viewport["width"] * scale, viewport["height"] * scale)


def test_every_picture_is_shown_on_a_page_with_words_for_it() -> None:
    text = "\n".join(page.read_text() for page in [*PAGES, PROJECT / "README.md"])
    shown = re.findall(r"!\[([^\]]+)\]\([^)]*images/([\w-]+)\.png\)", text)
    assert {name for _, name in shown} >= set(SCENES)
