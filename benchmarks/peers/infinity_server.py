"""infinity's own server with an engine that tokenises and has no model behind it.

    python -m benchmarks.peers.infinity_server --port 9000 --tokenizer demo/models/all-minilm-l6-v2

HTTP, validation, queue, batching, threads and JSON are infinity's; the engine stands in for its
PyTorch ones at the place where it chooses among them. It pads and truncates as those do and hands
back prepared numbers, so that what is measured is what infinity costs beside any model.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from infinity_emb import create_server
from infinity_emb.args import EngineArgs
from infinity_emb.primitives import Device, InferenceEngine
from infinity_emb.transformer.abstract import BaseCrossEncoder, BaseEmbedder
from infinity_emb.transformer.quantization.interface import quant_embedding_decorator
from numpy.typing import NDArray
from tokenizers import Tokenizer

MAX_TOKENS = 512
EMBED, RERANK = "embed", "rerank"
"""How the names of the models begin; a number behind `embed` is the length of the vectors."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What infinity expects of a chosen engine: a class under `value`."""

    value: Any


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal."""
    options = _parse(arguments)
    # The package has a function of this module's name, which hides the module.
    select_model: Any = importlib.import_module("infinity_emb.inference.select_model")
    select_model.get_engine_type_from_config = _choose
    engines = [_engine(name, options) for name in options.models]
    app = create_server(engine_args_list=engines, url_prefix=options.url_prefix)
    # As infinity's own command starts it.
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        http="httptools",
        loop="uvloop",
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tokenizer", required=True, help="folder of the tokenizer")
    parser.add_argument("--models", nargs="+", default=["embed1024", "rerank"])
    parser.add_argument("--batch-size", type=int, default=32, help="infinity's own default")
    parser.add_argument("--url-prefix", default="/v1")
    return parser.parse_args(arguments)


def _engine(name: str, options: argparse.Namespace) -> EngineArgs:
    return EngineArgs(
        model_name_or_path=options.tokenizer,
        served_model_name=name,
        batch_size=options.batch_size,
        engine=InferenceEngine.debugengine,
        device=Device.cpu,
        model_warmup=False,
    )


def _choose(engine_args: EngineArgs) -> Choice:
    return Choice(Embedder if engine_args.served_model_name.startswith(EMBED) else CrossEncoder)


class PaddingTokenizer:
    """The tokenizer's ids and mask `[B, L]`, of texts or of pairs of texts."""

    def __init__(self, folder: str) -> None:
        self._tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def encode(self, texts: Sequence[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        found = self._tokenizer.encode_batch_fast(texts)
        ids = np.array([each.ids for each in found], np.int64)
        return ids, np.array([each.attention_mask for each in found], np.int64)


class Embedder(BaseEmbedder):
    """Sentences to prepared vectors of length 1."""

    def __init__(self, *, engine_args: EngineArgs) -> None:
        self.engine_args = engine_args
        self._tokenizer = PaddingTokenizer(engine_args.model_name_or_path)
        size = int(engine_args.served_model_name.removeprefix(EMBED))
        vectors = np.random.default_rng(0).standard_normal((engine_args.batch_size, size))
        self._vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("f4")

    def encode_pre(self, sentences: list[str]) -> Any:
        return self._tokenizer.encode(sentences)

    def encode_core(self, features: Any) -> Any:
        return self._vectors[: len(features[0])]

    @quant_embedding_decorator()
    def encode_post(self, embedding: Any, skip_quanitzation: bool = True) -> Any:
        return embedding

    def tokenize_lengths(self, sentences: list[str]) -> list[int]:
        return [len(each) for each in sentences]


class CrossEncoder(BaseCrossEncoder):
    """Pairs to prepared scores."""

    def __init__(self, *, engine_args: EngineArgs) -> None:
        self.engine_args = engine_args
        self._tokenizer = PaddingTokenizer(engine_args.model_name_or_path)
        self._scores = np.random.default_rng(0).standard_normal(engine_args.batch_size).astype("f4")

    def encode_pre(self, queries_docs: list[tuple[str, str]]) -> Any:
        return self._tokenizer.encode(queries_docs)

    def encode_core(self, features: Any) -> Any:
        return self._scores[: len(features[0])]

    def encode_post(self, embedding: Any) -> Any:
        return embedding

    def tokenize_lengths(self, sentences: list[str]) -> list[int]:
        return [len(each) for each in sentences]


if __name__ == "__main__":
    main()
