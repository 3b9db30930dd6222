"""The bench's model repository, and the entries of a configuration that names its models.

    write_models(folder)
    with TritonServer([folder], *free_ports(3)) as triton:
        configuration = entries(triton.grpc_url, triton.http_url)

| model | what it is |
|---|---|
| llm | FasterTransformer's contract, decoupled; speaks as slowly as a `Script` says |
| llm-bad | the same in a stub of its own: for what kills a stub or should not touch `llm` |
| text-bad | the contract of Triton's vLLM backend |
| embed, rerank | encoders that never misbehave unless a word of the text asks for it |
| embed-bad, rerank-bad | the same in stubs of their own |
| slowq, slowq-embed | one request at a time, `SLOW_MS` each, a queue of two that waits `WAIT_MS` |

None has weights. Each counts what it started, completed, cancelled and failed, and its tokens:
`demo.counters.read_counters`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from demo.environment import DEMO

PROGRAMS = Path(__file__).parent / "models"
CHAT_FOLDER = DEMO / "models" / "demo-chat"
MINILM_FOLDER = DEMO / "models" / "all-minilm-l6-v2"

MODELS = (
    "llm",
    "llm-bad",
    "text-bad",
    "embed",
    "embed-bad",
    "rerank",
    "rerank-bad",
    "slowq",
    "slowq-embed",
)

SLOW_MS = 1500
WAIT_MS = 2000

DEEDS = {
    "integer": "dtype",
    "square": "shape",
    "nothing": "no_output",
    "few": "short",
    "void": "nan",
    "infinite": "infinite",
    "error": "error",
    "giant": "huge",
    # The model answers nobody else meanwhile, so it comes last.
    "sleep": "hang",
    "exit": "exit",
}
"""What a word asks of an encoder; each is one token of MiniLM's vocabulary."""

NUMBER = "data_type: TYPE_UINT32 dims: [ 1 ] reshape: { shape: [ ] }"
FASTERTRANSFORMER = f"""
input [
  {{ name: "input_ids" data_type: TYPE_UINT32 dims: [ -1 ] }},
  {{ name: "start_id" {NUMBER} optional: true }},
  {{ name: "end_id" {NUMBER} optional: true }},
  {{ name: "input_lengths" {NUMBER} }},
  {{ name: "request_output_len" data_type: TYPE_UINT32 dims: [ -1 ] }},
  {{ name: "runtime_top_k" {NUMBER} optional: true }},
  {{ name: "random_seed" {NUMBER.replace("UINT32", "UINT64")} optional: true }},
  {{ name: "is_return_log_probs" {NUMBER.replace("UINT32", "BOOL")} optional: true }},
  {{ name: "runtime_top_p" {NUMBER.replace("UINT32", "FP32")} optional: true }},
  {{ name: "temperature" {NUMBER.replace("UINT32", "FP32")} optional: true }}
]
output [
  {{ name: "output_ids" data_type: TYPE_UINT32 dims: [ -1, -1 ] }},
  {{ name: "sequence_length" data_type: TYPE_UINT32 dims: [ -1 ] }},
  {{ name: "cum_log_probs" data_type: TYPE_FP32 dims: [ -1 ] }},
  {{ name: "output_log_probs" data_type: TYPE_FP32 dims: [ -1, -1 ] }}
]
"""
VLLM = """
input [
  { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "stream" data_type: TYPE_BOOL dims: [ 1 ] optional: true },
  { name: "sampling_parameters" data_type: TYPE_STRING dims: [ 1 ] optional: true },
  { name: "exclude_input_in_output" data_type: TYPE_BOOL dims: [ 1 ] optional: true },
  { name: "return_finish_reason" data_type: TYPE_BOOL dims: [ 1 ] optional: true }
]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "finish_reason" data_type: TYPE_STRING dims: [ -1 ] }
]
"""
ENCODER = """
input [
  {{ name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] }},
  {{ name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }}
]
output [ {{ name: "{output}" data_type: TYPE_FP32 dims: [ {width} ] }} ]
"""
STREAMED = "model_transaction_policy { decoupled: True }"
QUEUE = f"""dynamic_batching {{ default_queue_policy {{
  max_queue_size: 2 timeout_action: REJECT default_timeout_microseconds: {WAIT_MS * 1000}
}} }}"""
EMBEDDING = ENCODER.format(output="sentence_embedding", width=8)
RERANKING = ENCODER.format(output="logits", width=1)
SLOWLY = {"answer_ms": str(SLOW_MS)}


def write_models(folder: Path) -> Path:
    """Write every model into `folder`, a Triton model repository; returns `folder`."""
    deeds = {"deeds": json.dumps(_tokens())}
    speaking = FASTERTRANSFORMER + STREAMED
    _write(folder, "llm", "fastertransformer", 1024, speaking)
    _write(folder, "llm-bad", "fastertransformer", 1024, speaking)
    _write(folder, "text-bad", "text", 0, VLLM + STREAMED)
    _write(folder, "slowq", "fastertransformer", 1, FASTERTRANSFORMER + QUEUE, SLOWLY)
    for name in ("embed", "embed-bad"):
        _write(folder, name, "encoder", 32, EMBEDDING, deeds)
    for name in ("rerank", "rerank-bad"):
        _write(folder, name, "encoder", 32, RERANKING, deeds)
    _write(folder, "slowq-embed", "encoder", 1, EMBEDDING + QUEUE, deeds | SLOWLY)
    return folder


def _write(
    folder: Path,
    name: str,
    program: str,
    max_batch_size: int,
    tensors: str,
    parameters: Mapping[str, str] | None = None,
) -> None:
    (folder / name / "1").mkdir(parents=True)
    (folder / name / "1" / "model.py").symlink_to(PROGRAMS / f"{program}.py")
    head = f'name: "{name}"\nbackend: "python"\nmax_batch_size: {max_batch_size}\n'
    tail = "instance_group [ { count: 1 kind: KIND_CPU } ]\n"
    (folder / name / "config.pbtxt").write_text(head + tensors + tail + _pairs(parameters or {}))


def _pairs(parameters: Mapping[str, str]) -> str:
    entry = "parameters {{ key: {} value: {{ string_value: {} }} }}\n"
    return "".join(entry.format(json.dumps(key), json.dumps(parameters[key])) for key in parameters)


def _tokens() -> dict[int, str]:
    """The words' token ids."""
    tokenizer = Tokenizer.from_file(str(MINILM_FOLDER / "tokenizer.json"))
    ids = {word: tokenizer.token_to_id(word) for word in DEEDS}
    assert None not in ids.values(), ids
    return {ids[word]: deed for word, deed in DEEDS.items()}


TIMEOUTS = {"connect": 1, "first_token": 3, "between_tokens": 3, "total": 120}
"""Short, so that a case that waits for one is short."""

PATIENT = {**TIMEOUTS, "first_token": 10}
"""For the models with a queue, which says itself when a request has waited for too long."""


def entries(grpc_url: str, http_url: str) -> dict[str, list[dict[str, Any]]]:
    """The sections of a configuration with every model under its own name."""
    return {
        "llm": [
            *(entry(name, grpc_url, CHAT_FOLDER) for name in ("llm", "llm-bad")),
            entry("slowq", grpc_url, CHAT_FOLDER, timeouts=PATIENT),
            entry("text-bad", grpc_url, CHAT_FOLDER, backend="vllm"),
        ],
        "embedding": [
            *(entry(name, http_url, MINILM_FOLDER) for name in ("embed", "embed-bad")),
            entry("slowq-embed", http_url, MINILM_FOLDER, timeouts=PATIENT),
        ],
        "rerank": [entry(name, http_url, MINILM_FOLDER) for name in ("rerank", "rerank-bad")],
    }


def proxied_entries(grpc_url: str, http_url: str) -> dict[str, list[dict[str, Any]]]:
    """`llm-proxied` and `embed-proxied`: the same models behind other addresses."""
    language = entry("llm-proxied", grpc_url, CHAT_FOLDER, triton_model="llm")
    embedding = entry("embed-proxied", http_url, MINILM_FOLDER, triton_model="embed")
    return {"llm": [language], "embedding": [embedding]}


def entry(name: str, url: str | list[str], folder: Path, **keys: Any) -> dict[str, Any]:
    """One model's entry, with `TIMEOUTS`."""
    return {"name": name, "url": url, "path": str(folder), "timeouts": TIMEOUTS, **keys}
