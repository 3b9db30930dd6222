"""The gateway's configuration for the demo: model_config.json, with other Triton ports if asked."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from demo.environment import DEMO

CONFIGURATION = DEMO.parent / "model_config.json"

SECTIONS = ("llm", "embedding", "rerank")

FILE_KEYS = ("path", "chat_template")
"""What names a file or folder relative to the configuration's own folder."""


@contextmanager
def configuration_file(ports: Mapping[int, int], source: Path = CONFIGURATION) -> Iterator[Path]:
    """A configuration with the ports of its URLs replaced, `{old: new}`; a copy if any differ."""
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


def _moved(content: dict[str, Any], ports: Mapping[int, int], folder: Path) -> dict[str, Any]:
    moved = {
        section: [_moved_model(model, ports, folder) for model in content.get(section, [])]
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
    scheme, separator, rest = url.rpartition("://")
    port = urlsplit(f"//{rest}").port
    if port is None or port not in ports:
        return url
    return f"{scheme}{separator}{rest.replace(f':{port}', f':{ports[port]}', 1)}"
