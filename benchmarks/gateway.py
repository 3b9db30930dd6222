"""The server under test, as it runs in production: gunicorn with the project's own settings."""

import json
from pathlib import Path
from typing import Any

from benchmarks.places import CHAT_FOLDER, ENCODER_FOLDER, SERVER_ENVIRONMENT
from benchmarks.plans import CHAT_MODELS, EMBEDDER, RERANKER, UNPACED
from benchmarks.processes import Command
from demo.ports import LOOPBACK

MAX_LEN = 2**20
"""The longest prompt that is sent has a megabyte, and every byte may be a token."""
MAX_INFLIGHT = 4096
ENCODER_TOKENS = 512


def configuration(grpc: str, http: str | None, extra: int = 0) -> dict[str, Any]:
    """The models that the scenarios ask for, at these addresses, and `extra` ones nobody does.

    Without `http` there are no encoders. The extra ones are the unpaced model in Triton.
    """
    others = [f"other-{number}" for number in range(extra)]
    facts = {"start_id": 0, "end_id": 2, "max_len": MAX_LEN}
    own = [_chat(name, grpc) for name in CHAT_MODELS]
    more = [{**_chat(name, grpc), "triton_model": UNPACED} for name in others]
    return {
        "model_infos": [{"name": name, **facts} for name in (*CHAT_MODELS, *others)],
        "llm": [*own, *more],
        **(_encoders(http) if http else {}),
    }


def _chat(name: str, url: str) -> dict[str, Any]:
    """Streams that are cut off end, as with the other servers; FasterTransformer's would not."""
    return {**_entry(name, url, CHAT_FOLDER), "cancel": "rpc"}


def _encoders(http: str) -> dict[str, Any]:
    outputs = {
        "embedding": (EMBEDDER, {"name": "sentence_embedding"}),
        "rerank": (RERANKER, {"name": "logits", "process": "normalize"}),
    }
    return {
        section: [
            {
                **_entry(name, http, ENCODER_FOLDER),
                "max_tokens": ENCODER_TOKENS,
                "output_config": output,
            }
        ]
        for section, (name, output) in outputs.items()
    }


def _entry(name: str, url: str, folder: Path) -> dict[str, Any]:
    return {"name": name, "url": url, "path": str(folder), "max_inflight": MAX_INFLIGHT}


def write_configuration(folder: Path, name: str, content: dict[str, Any]) -> Path:
    """The file, below `folder`."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return path


def command(port: int, configuration_file: Path, workers: int, cores: set[int]) -> Command:
    """gunicorn with `workers`, quiet, listening on the loopback address."""
    words = [str(SERVER_ENVIRONMENT / "bin" / "gunicorn"), "-c", "gunicorn.conf.py", "wsgi:app"]
    env = {
        "BIND_HOST": LOOPBACK,
        "PORT": str(port),
        "WORKERS": str(workers),
        "CONFIG_FILE": str(configuration_file),
        "LOG_LEVEL": "WARNING",
        "SERVER_LOG_LEVEL": "warning",
    }
    return Command(words, cores, env)
