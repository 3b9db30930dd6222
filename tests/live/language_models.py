"""Every language model's contract behind the application, and its answers in one form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from demo.triton import TritonServer
from tests.applications import build_application
from tests.live.contracts import LANGUAGE_MODEL, TENSOR_MODELS, TEXT_MODELS, VLLM_MODELS
from tests.live.entries import PATIENT

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BACKENDS = {
    "demo-chat": "fastertransformer",
    **dict.fromkeys((*TENSOR_MODELS, *TEXT_MODELS), "tensorrt_llm"),
    **dict.fromkeys(VLLM_MODELS, "vllm"),
}
OTHERS = tuple(name for name in BACKENDS if name != "demo-chat")
# v0.5.0 splits characters of several tokens.
UNBROKEN = tuple(name for name in OTHERS if name != "trt-ensemble-v05")


def serve(triton: TritonServer, folder: Path) -> FlaskClient:
    """The application with every language model's contract."""
    entries = [
        {
            "name": name,
            "url": triton.grpc_url,
            "timeouts": PATIENT,
            "path": str(LANGUAGE_MODEL),
            "backend": backend,
            "cancel": "rpc",
        }
        for name, backend in BACKENDS.items()
    ]
    return build_application(folder, {"llm": entries}).test_client()


def chat(model: str, text: str = "What is 3 + 4?", **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "temperature": 0, **fields}


def completion(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "prompt": "Once upon a time", "temperature": 0, **fields}


def whole(served: FlaskClient, path: str, body: dict[str, Any]) -> Any:
    response = served.post(path, json=body)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


def streamed(served: FlaskClient, path: str, body: dict[str, Any]) -> dict[int, tuple[str, Any]]:
    """Each choice's text and finish_reason, put together from the events; under -1 the usage."""
    response = served.post(path, json={**body, "stream": True})
    found: dict[int, tuple[str, Any]] = {}
    frames = response.get_data(as_text=True).split("\n\n")
    assert frames[-2] == "data: [DONE]"
    for event in (json.loads(frame[6:]) for frame in frames if frame.startswith("data: {")):
        for choice in event["choices"]:
            text, reason = found.get(choice["index"], ("", None))
            piece = choice["delta"].get("content") if path == CHAT else choice["text"]
            found[choice["index"]] = (text + (piece or ""), choice["finish_reason"] or reason)
        if event.get("usage"):
            found[-1] = ("usage", event["usage"])
    return found


def as_streamed(answer: Any) -> dict[int, tuple[str, Any]]:
    """A whole answer in the same form."""
    texts = {
        choice["index"]: (
            choice["message"]["content"] if "message" in choice else choice["text"],
            choice["finish_reason"],
        )
        for choice in answer["choices"]
    }
    return {**texts, -1: ("usage", answer["usage"])}
