"""The gateway's configuration for the demo: model_config.json, with other Triton ports if asked.

Every address of this machine with one of Triton's default ports is then the demo's Triton; others
are left as they are.
"""

import json
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from demo.environment import DEMO

CONFIGURATION = DEMO.parent / "model_config.json"

SECTIONS = ("llm", "embedding", "rerank")

MODELS = ("demo-chat", "all-minilm-l6-v2", "minilm-reranker")
"""The models of the demo's Triton."""

TRITON_PORTS = (8000, 8001, 8002)
"""HTTP, gRPC, metrics: Triton's own defaults, and what model_config.json says."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

FILE_KEYS = ("path", "chat_template")
"""What names a file or folder relative to the configuration's own folder."""


@contextmanager
def configuration_file(ports: Mapping[int, int], source: Path = CONFIGURATION) -> Iterator[Path]:
    """A configuration with the ports of this machine's addresses replaced, `{old: new}`.

    A copy if any differ.
    """
    if all(old == new for old, new in ports.items()):
        yield source
        return
    try:
        content = _moved(json.loads(source.read_text(encoding="utf-8")), ports, source.parent)
    except (ValueError, TypeError, AttributeError):
        # A file of another form: the gateway says what is wrong with it.
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="openai-api-demo-") as folder:
        copy = Path(folder) / source.name
        copy.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        yield copy


def own_models(source: Path = CONFIGURATION) -> set[str]:
    """Names of the entries that are the demo's own; none where the file cannot be read."""
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        entries = [entry for section in SECTIONS for entry in content.get(section) or []]
        return {entry["name"] for entry in entries if _is_own(entry, TRITON_PORTS)}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return set()


def _is_own(model: Mapping[str, Any], ports: Collection[int]) -> bool:
    """Whether an entry is for a model of the demo, at no address but the demo's `ports` here."""
    if (model.get("triton_model") or model.get("name")) not in MODELS or "url" not in model:
        return False
    urls = model["url"] if isinstance(model["url"], list) else [model["url"]]
    return all(_own_port(url) in ports for url in urls)


def _own_port(url: str) -> int | None:
    """The port of an address of this machine."""
    parts = urlsplit(f"//{url.rpartition('://')[2]}")
    return parts.port if parts.hostname in LOOPBACK_NAMES else None


def _moved(content: dict[str, Any], ports: Mapping[int, int], folder: Path) -> dict[str, Any]:
    moved = {
        section: [_moved_model(model, ports, folder) for model in content.get(section) or []]
        for section in SECTIONS
    }
    return {**content, **moved}


def _moved_model(model: dict[str, Any], ports: Mapping[int, int], folder: Path) -> dict[str, Any]:
    named = {key: folder / model[key] for key in FILE_KEYS if key in model}
    # A chat template may also be one of the gateway's own, which is found by its bare name.
    files: dict[str, Any] = {key: str(path) for key, path in named.items() if path.exists()}
    if "url" in model:
        files["url"] = _moved_url(model["url"], ports)
    return {**model, **files}


def _moved_url(url: Any, ports: Mapping[int, int]) -> Any:
    if isinstance(url, list):
        return [_moved_url(each, ports) for each in url]
    port = _own_port(url) or 0
    return f"{url.rpartition(':')[0]}:{ports[port]}" if port in ports else url
