"""What add-model makes of a model's tensors, of its folder, and of one of Triton's addresses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.application import CHAT_TEMPLATES
from app.commands.add_model import triton_survey
from app.commands.add_model.task_guess import guess_task
from app.commands.add_model.template_guess import BY_NAME, BY_TYPE, guess_template
from app.commands.add_model.triton_survey import GRPC, HTTP, TritonSurvey
from app.terminal.failures import CommandError
from app.triton.address import Address
from app.triton.contract import ModelContract, TensorSpec
from app.triton.errors import unreached
from app.triton.repository import ListedModel
from app.types import Task

IDS = {"input_ids": (-1,), "attention_mask": (-1,)}


def contract(inputs: dict[str, Any], outputs: dict[str, Any], batch: int = 8) -> ModelContract:
    def specs(dims: dict[str, Any]) -> dict[str, TensorSpec]:
        return {name: TensorSpec("INT64", tuple(value)) for name, value in dims.items()}

    return ModelContract("onnxruntime", batch, specs(inputs), specs(outputs))


@pytest.mark.parametrize(
    ("outputs", "task", "activation"),
    [
        ({"last_hidden_state": (-1, 384)}, Task.EMBED, None),
        ({"sentence_embedding": (384,)}, Task.EMBED, None),
        ({"token_embeddings": (-1, 384), "sentence_embedding": (384,)}, Task.EMBED, None),
        ({"last_hidden_state": (-1, 3), "logits": (1,)}, Task.RERANK, None),
        ({"logits": (1,)}, Task.RERANK, None),
        ({"logits": (2,)}, Task.RERANK, "softmax"),
        ({"score": (1,)}, Task.RERANK, None),
    ],
)
def test_encoders(outputs: dict[str, Any], task: Task, activation: str | None) -> None:
    guess = guess_task(contract(IDS, outputs))
    assert guess is not None
    assert (guess.task, guess.activation) == (task, activation)


def test_an_encoder_without_tritons_batching() -> None:
    """Its first dimension is the batch's."""
    guess = guess_task(contract({"input_ids": (-1, -1)}, {"logits": (-1, 1)}, batch=0))
    assert guess is not None
    assert guess.task is Task.RERANK


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [({"image": (3, 224, 224)}, {"logits": (1000,)}), (IDS, {"boxes": (-1, 4, 4)}), (IDS, {})],
)
def test_what_cannot_be_told(inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    assert guess_task(contract(inputs, outputs)) is None


# ---- chat templates


def folder(base: Path, name: str = "model", **files: Any) -> Path:
    path = base / name
    path.mkdir()
    for stem, value in files.items():
        (path / f"{stem}.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("name", "config", "file"),
    [
        ("model", {"model_type": "qwen2"}, "qwen.jinja"),
        ("model", {"model_type": "llama", "vocab_size": 32000}, "llama2.jinja"),
        ("model", {"model_type": "llama", "vocab_size": 128256}, "llama3.jinja"),
        ("model", {"model_type": "chatglm", "vocab_size": 65024}, "chatglm2.jinja"),
        ("model", {"model_type": "chatglm", "vocab_size": 151552}, "glm4.jinja"),
        ("chatglm3-6b", {"model_type": "chatglm", "vocab_size": 65024}, "chatglm3.jinja"),
        ("Vicuna-7B", {"model_type": "llama"}, "vicuna.jinja"),
        ("x", {"model_type": "llama", "_name_or_path": "org/vicuna-7b"}, "vicuna.jinja"),
        ("model", {"model_type": "bert"}, None),
        ("model", {}, None),
        ("model", "no JSON", None),
    ],
)
def test_the_template_of_a_folder(tmp_path: Path, name: str, config: Any, file: str | None) -> None:
    guess = guess_template(folder(tmp_path, name, config=config))
    assert (guess.file, guess.has_own) == (file, False)


def test_a_template_of_its_own_is_enough(tmp_path: Path) -> None:
    own = folder(
        tmp_path, config={"model_type": "llama"}, tokenizer_config={"chat_template": "{{ x }}"}
    )
    assert guess_template(own).has_own
    filed = folder(tmp_path, "filed", config={"model_type": "llama"})
    (filed / "chat_template.jinja").write_text("{{ x }}")
    assert guess_template(filed).has_own


def test_the_templates_are_there() -> None:
    named = {file for _, file in BY_NAME} | set(BY_TYPE.values())
    assert named <= {path.name for path in CHAT_TEMPLATES.glob("*.jinja")}


# ---- addresses


class FakeTriton:
    """Ports that answer, each with its protocol and models."""

    def __init__(self, ports: dict[int, tuple[str, list[str]]]) -> None:
        self.ports = ports

    def kind(self, protocol: str) -> Any:
        def connect(address: Address, _: float) -> Any:
            found = self.ports.get(address.port)

            class Side:
                def models(self) -> list[ListedModel]:
                    if found is None or found[0] != protocol:
                        raise unreached("nobody")
                    return [ListedModel(name, "READY") for name in found[1]]

            return Side()

        return connect


@pytest.mark.parametrize(
    ("ports", "given", "addresses"),
    [
        ({8000: (HTTP, ["a"]), 8001: (GRPC, ["a"])}, "host:8000", {HTTP: 8000, GRPC: 8001}),
        ({8000: (HTTP, ["a"]), 8001: (GRPC, ["a"])}, "host:8001", {HTTP: 8000, GRPC: 8001}),
        ({8000: (HTTP, ["a"]), 8001: (GRPC, ["b"])}, "host:8000", {HTTP: 8000}),
        ({8000: (HTTP, ["a"]), 8001: (HTTP, ["a"])}, "host:8000", {HTTP: 8000}),
        ({9000: (GRPC, ["a"])}, "host:9000", {GRPC: 9000}),
    ],
)
def test_the_other_port_is_the_neighbour_if_it_has_the_same_models(
    monkeypatch: pytest.MonkeyPatch,
    ports: dict[int, tuple[str, list[str]]],
    given: str,
    addresses: dict[str, int],
) -> None:
    fake = FakeTriton(ports)
    kinds = {protocol: fake.kind(protocol) for protocol in (HTTP, GRPC)}
    monkeypatch.setattr(triton_survey, "KINDS", kinds)
    survey = TritonSurvey.of([given])
    assert survey.addresses == {name: f"host:{port}" for name, port in addresses.items()}
    for missing in {HTTP, GRPC} - set(addresses):
        with pytest.raises(CommandError, match="reached over"):
            survey.address(missing)
