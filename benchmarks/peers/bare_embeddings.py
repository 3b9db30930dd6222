"""The limit for embeddings and rerank: tokenizers and tritonclient.http in a loop, no server.

    python -m benchmarks.peers.bare_embeddings --target 127.0.0.1:8000 --body request.json \
        --tokenizer demo/models/all-minilm-l6-v2 --connections 16 --seconds 2

`request.json` is what a server would get: OpenAI's embeddings request, or a rerank request. Each
turn tokenises its texts, asks Triton in batches as large as the model takes, one after another,
and has the numbers as numpy arrays; it writes no JSON. Prints one JSON object, see figures.py;
`tokens` are those sent, without padding.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
import numpy as np
import tritonclient.http as triton
from tokenizers import Encoding, Tokenizer
from tritonclient.utils import InferenceServerException

from benchmarks.peers.figures import Figures

MAX_TOKENS = 512
TENSORS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Triton's inputs, and what they are called in a `tokenizers.Encoding`."""


@dataclass(frozen=True, slots=True)
class Model:
    """What has to be known of Triton's model."""

    name: str
    inputs: Mapping[str, str]
    output: str
    max_batch_size: int


class Loop:
    """What every connection does in its turns."""

    def __init__(self, client: Any, model: Model, tokenizer: Any, texts: Sequence[Any]) -> None:
        self._client, self._model, self._tokenizer = client, model, tokenizer
        self._texts = texts
        encodings = tokenizer.encode_batch_fast(texts)
        self._num_tokens = sum(sum(each.attention_mask) for each in encodings)
        self.figures = Figures()

    def run(self, turns: Iterator[int], deadline: float) -> None:
        """One request after another, until they are all done or the time is up."""
        while time.perf_counter() < deadline and next(turns, None) is not None:
            try:
                self._turn(deadline)
            except InferenceServerException as error:
                self.figures.add_error(str(error))

    def _turn(self, deadline: float) -> None:
        started = time.perf_counter()
        encodings = self._tokenizer.encode_batch_fast(self._texts)
        size = self._model.max_batch_size
        for first in range(0, len(encodings), size):
            self._infer(encodings[first : first + size])
        now = time.perf_counter()
        if now <= deadline:
            self.figures.requests += 1
            self.figures.tokens += self._num_tokens
            self.figures.latency.append(now - started)

    def _infer(self, encodings: Sequence[Encoding]) -> None:
        inputs = [self._tensor(name, encodings) for name in self._model.inputs]
        wanted = [triton.InferRequestedOutput(self._model.output, binary_data=True)]
        result = self._client.infer(self._model.name, inputs, outputs=wanted)
        found = result.as_numpy(self._model.output)
        self.figures.events += len(found)
        self.figures.bytes += found.nbytes

    def _tensor(self, name: str, encodings: Sequence[Encoding]) -> Any:
        values = np.array([getattr(each, TENSORS[name]) for each in encodings], np.int64)
        tensor = triton.InferInput(name, values.shape, self._model.inputs[name])
        return tensor.set_data_from_numpy(values, binary_data=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the load and print what was seen."""
    options = _parse(arguments)
    body = json.loads(Path(options.body).read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(Path(options.tokenizer) / "tokenizer.json"))
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding()
    client = triton.InferenceServerClient(
        options.target, concurrency=options.connections, connection_timeout=60, network_timeout=60
    )
    loop = Loop(client, _model(client, body["model"]), tokenizer, _texts(body))
    is_counted = options.requests is not None
    turns = iter(range(options.requests)) if is_counted else itertools.count()
    deadline = float("inf") if is_counted else loop.figures.started + options.seconds
    running = [gevent.spawn(loop.run, turns, deadline) for _ in range(options.connections)]
    gevent.joinall(running, raise_error=True)
    print(loop.figures.as_json(deadline))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--target", required=True, help="host:port of Triton's HTTP")
    parser.add_argument("--body", required=True, help="file with the request's JSON")
    parser.add_argument("--tokenizer", required=True, help="folder of the tokenizer")
    parser.add_argument("--connections", type=int, required=True)
    until = parser.add_mutually_exclusive_group(required=True)
    until.add_argument("--requests", type=int)
    until.add_argument("--seconds", type=float)
    return parser.parse_args(arguments)


def _texts(body: Mapping[str, Any]) -> list[Any]:
    """Texts, or pairs of query and document."""
    if "documents" in body:
        return [(body["query"], document) for document in body["documents"]]
    texts = body["input"]
    return [texts] if isinstance(texts, str) else list(texts)


def _model(client: Any, name: str) -> Model:
    found = client.get_model_config(name)
    types = {each["name"]: each["data_type"].removeprefix("TYPE_") for each in found["input"]}
    size = int(found.get("max_batch_size") or 1)
    return Model(name, types, found["output"][0]["name"], size)


if __name__ == "__main__":
    main()
