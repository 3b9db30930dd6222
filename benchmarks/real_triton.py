"""The demo's tritonserver with paced models beside its own, for measurements on the real one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from demo.triton import DEMO_REPOSITORY, TritonServer, free_ports

PACED = Path(__file__).resolve().parent / "triton_models" / "paced"
FILES = ("1", "tokens.txt")


def write_repository(folder: Path, paces: Mapping[str, float]) -> Path:
    """A model repository in `folder` with one paced model for each name; its tokens a second."""
    template = (PACED / "config.pbtxt").read_text(encoding="utf-8")
    for name, pace in paces.items():
        (folder / name).mkdir(parents=True)
        for file in FILES:
            (folder / name / file).symlink_to(PACED / file)
        config = template.replace('name: "paced"', f'name: "{name}"')
        config = _with_parameter(config, "tokens_per_second", f"{pace:g}")
        (folder / name / "config.pbtxt").write_text(config, encoding="utf-8")
    return folder


def _with_parameter(config: str, key: str, value: str) -> str:
    pattern = rf'(key: "{key}" value: {{ string_value: ")[^"]*'
    return re.sub(pattern, rf"\g<1>{value}", config)


@contextmanager
def real_triton(folder: Path, paces: Mapping[str, float]) -> Iterator[TritonServer]:
    """A ready server on free ports: `grpc_url`, `http_url`, `metrics_url`, `pid`.

    `folder` is an empty one for the repository of the paced models and the log. Start it from a
    thread that outlives it. Raises DemoError if it does not get ready.
    """
    repository = write_repository(folder / "repository", paces)
    server = TritonServer(
        [DEMO_REPOSITORY, repository], *free_ports(3), log_file=folder / "triton.log"
    )
    with server:
        yield server
