"""The key file of docs/operations.md, and how the page says a key is hashed."""

from __future__ import annotations

import hashlib
import re
import subprocess

from app.access.keys import Limits, find_key, parse_keys
from tests.docs.pages import PROJECT, blocks

PAGE = PROJECT / "docs" / "operations.md"
DEFAULTS = Limits(60, 1000, 4)


def test_the_example_is_read_as_the_page_says() -> None:
    (example,) = (block.text for block in blocks(PAGE) if "sk-web-" in block.text)
    keys = parse_keys(example, "keys.txt", DEFAULTS)
    assert [key.name for key in keys] == ["web", "batch", "hashed", "line-5"]
    assert [key.limits for key in keys] == [
        DEFAULTS,
        Limits(600, 200_000, 8),
        DEFAULTS,
        Limits(),
    ]
    assert find_key(keys, b"test") is keys[2]


def test_a_key_is_hashed_as_the_page_says() -> None:
    (command,) = re.findall(r"`(printf [^`]*)`", PAGE.read_text())
    printed = subprocess.run(
        ["bash", "-c", command.replace("KEY", "sk-1")], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split()[0] == hashlib.sha256(b"sk-1").hexdigest()
