"""The baseline: FastAPI, uvicorn and grpc.aio, as FastChat and Triton's front end are built.

    python -m benchmarks.peers.fastapi_server --port 9000 --triton 127.0.0.1:8001 \
        --tokenizer demo/models/demo-chat --json orjson

The request's `model` is the name of Triton's model; all models share the tokenizer.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

import uvicorn

from benchmarks.peers.chunk_writers import WRITERS
from benchmarks.peers.fastapi_app import exported
from benchmarks.peers.fastapi_generation import Settings


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal."""
    options = _parse(arguments)
    settings = Settings(
        target=options.triton,
        tokenizer=options.tokenizer,
        chat_template=options.chat_template,
        json=options.json,
        max_model_len=options.max_model_len,
    )
    os.environ |= exported(settings)
    uvicorn.run(
        "benchmarks.peers.fastapi_app:create",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--triton", required=True, help="host:port of Triton's gRPC")
    parser.add_argument("--tokenizer", required=True, help="folder of the model's tokenizer")
    parser.add_argument("--chat-template", help="a file, instead of the tokenizer's own template")
    parser.add_argument("--json", choices=list(WRITERS), default="pydantic")
    parser.add_argument("--max-model-len", type=int, default=4096, help="tokens (%(default)s)")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
