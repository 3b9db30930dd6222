"""The bench's model repository, and the entries of a configuration that names its models.

    write_models(folder, SHORT_MODELS)
    with TritonServer([folder], *free_ports(3)) as triton:
        configuration = entries(triton.grpc_url, triton.http_url)

| model | what it is |
|---|---|
| llm | FasterTransformer's contract, decoupled; speaks as slowly as a `Script` says |
| llm-bad | the same in a stub of its own: for what kills a stub or should not touch `llm` |
| text-bad | the contract of Triton's vLLM backend |
| embed, rerank | encoders that never misbehave unless a word of the text asks for it |
| embed-bad, rerank-bad | the same in stubs of their own |
| slowq, slowq-embed | one request at a time, a queue of two that waits `WAIT_MS`; see `gate` |

None has weights. Each counts what it started, completed, cancelled and failed, and its tokens:
`demo.counters.read_counters`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from demo.environment import DEMO

PROGRAMS = Path(__file__).parent / "models"
CHAT_FOLDER = DEMO / "models" / "demo-chat"
MINILM_FOLDER = DEMO / "models" / "all-minilm-l6-v2"

SHORT_MODELS = ("llm", "llm-bad", "text-bad", "embed", "embed-bad")
"""What the short forms of the cases need: each is a process more whenever Triton starts."""
WHOLE_MODELS = (*SHORT_MODELS, "rerank", "rerank-bad")
QUEUED_MODELS = ("llm", "slowq", "slowq-embed")

WAIT_MS = 500

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
SPEAKING = ("fastertransformer", 1024, FASTERTRANSFORMER + STREAMED)
# Program, largest batch, tensors.
PROGRAM_OF = {
    "llm": SPEAKING,
    "llm-bad": SPEAKING,
    "text-bad": ("text", 0, VLLM + STREAMED),
    "slowq": ("fastertransformer", 1, FASTERTRANSFORMER + QUEUE),
    "embed": ("encoder", 32, EMBEDDING),
    "embed-bad": ("encoder", 32, EMBEDDING),
    "rerank": ("encoder", 32, RERANKING),
    "rerank-bad": ("encoder", 32, RERANKING),
    "slowq-embed": ("encoder", 1, EMBEDDING + QUEUE),
}


def write_models(folder: Path, names: Sequence[str]) -> Path:
    """Write these models into `folder`, a Triton model repository; returns `folder`."""
    for name in names:
        program, max_batch_size, tensors = PROGRAM_OF[name]
        parameters = {"deeds": json.dumps(_tokens())} if program == "encoder" else {}
        if name.startswith("slowq"):
            parameters["gate"] = str(gate(folder, name))
        _write(folder, name, program, max_batch_size, tensors, parameters)
    return folder


def gate(folder: Path, name: str) -> Path:
    """A file; as long as it is there, the model answers nothing."""
    return folder / name / "gate"


def model_names(folder: Path) -> list[str]:
    """The models of a repository that was written here."""
    return sorted(path.name for path in folder.iterdir())


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


TIMEOUTS = {"connect": 60, "first_token": 60, "between_tokens": 60, "total": 120}
"""Longer than a busy machine is late, so that no call fails by one where nothing is broken."""

SOON = {"connect": 3, "first_token": 3, "between_tokens": 3, "total": 120}
"""For what is called to fail by one."""


def entries(
    grpc_url: str, http_url: str, names: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """The sections of a configuration with these models, each under its own name."""
    language = [
        *(entry(name, grpc_url, CHAT_FOLDER) for name in ("llm", "llm-bad", "slowq")),
        entry("text-bad", grpc_url, CHAT_FOLDER, backend="vllm"),
    ]
    encoders = ("embed", "embed-bad", "slowq-embed"), ("rerank", "rerank-bad")
    embedding, rerank = (
        [entry(name, http_url, MINILM_FOLDER) for name in each] for each in encoders
    )
    sections = {"llm": language, "embedding": embedding, "rerank": rerank}
    return {
        kind: [each for each in section if each["name"] in names]
        for kind, section in sections.items()
    }


def soon(name: str) -> str:
    """The other name of a model, under which it has `SOON`."""
    return f"{name}-soon"


def soon_entries(
    sections: Mapping[str, Sequence[dict[str, Any]]],
) -> dict[str, list[dict[str, Any]]]:
    """The same models once more under these names."""
    return {
        kind: [
            {**each, "name": soon(each["name"]), "triton_model": each["name"], "timeouts": SOON}
            for each in section
        ]
        for kind, section in sections.items()
    }


def proxied_entries(grpc_url: str, http_url: str) -> dict[str, list[dict[str, Any]]]:
    """`llm-proxied` and `embed-proxied`: the same models behind other addresses, with `SOON`."""
    language = entry("llm-proxied", grpc_url, CHAT_FOLDER, triton_model="llm", timeouts=SOON)
    embedding = entry("embed-proxied", http_url, MINILM_FOLDER, triton_model="embed", timeouts=SOON)
    return {"llm": [language], "embedding": [embedding]}


def entry(name: str, url: str | list[str], folder: Path, **keys: Any) -> dict[str, Any]:
    """One model's entry, with `TIMEOUTS`."""
    return {"name": name, "url": url, "path": str(folder), "timeouts": TIMEOUTS, **keys}
