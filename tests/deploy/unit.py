"""The unit of deploy/systemd, read as systemd reads it."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import PROJECT

SYSTEMD = PROJECT / "deploy" / "systemd"
UNIT = SYSTEMD / "openai-api.service"

Sections = dict[str, dict[str, list[str]]]


def sections(path: Path = UNIT) -> Sections:
    """Each section's keys; a key may be there several times. Raises ValueError."""
    found: Sections = {}
    keys: dict[str, list[str]] | None = None
    for line in path.read_text().splitlines():
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        if text.startswith("[") and text.endswith("]"):
            keys = found.setdefault(text[1:-1], {})
        elif keys is None or "=" not in text or text.endswith("\\"):
            raise ValueError(f"{path.name}: {line}")
        else:
            name, _, value = text.partition("=")
            keys.setdefault(name.strip(), []).append(value.strip())
    return found


def service(name: str) -> str:
    """The only value of a key of [Service]."""
    (value,) = sections()["Service"][name]
    return value


def variables() -> dict[str, str]:
    """The file that the unit takes its variables from, and those that it sets itself."""
    own = [pair for line in sections()["Service"]["Environment"] for pair in line.split()]
    lines = (SYSTEMD / "openai-api.environment").read_text().splitlines()
    given = [line for line in lines if line and not line.startswith("#")]
    return dict(pair.split("=", 1) for pair in (*own, *given))
