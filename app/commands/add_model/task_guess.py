"""What a model is for, from the tensors that it declares."""

from __future__ import annotations

from dataclasses import dataclass

from app.backends.contract_kinds import TITLES, contract_kind
from app.backends.encoder import row_dims
from app.triton.contract import ModelContract
from app.types import ENCODER_INPUTS, Task

# How many logits make a score: one, or two for "no" and "yes".
SCORE_WIDTHS = (1, 2)


@dataclass(frozen=True, slots=True)
class Guess:
    """`reason` is for people. `backend` is a language model's, `activation` a reranker's."""

    task: Task
    reason: str
    backend: str | None = None
    activation: str | None = None


def guess_task(contract: ModelContract) -> Guess | None:
    """None where the tensors do not tell."""
    backend = contract_kind(contract)
    if backend is not None:
        return Guess(Task.GENERATE, f"its inputs are those of {TITLES[backend]}", backend)
    if "input_ids" not in {ENCODER_INPUTS.get(name) for name in contract.inputs}:
        return None
    return _encoder(contract)


def _encoder(contract: ModelContract) -> Guess | None:
    widths = {
        name: abs(dims[-1])
        for name, spec in contract.outputs.items()
        if len(dims := row_dims(spec, contract)) == 1
    }
    scores = [name for name, width in widths.items() if width in SCORE_WIDTHS]
    if len(scores) == len(contract.outputs) == 1 or "logits" in scores:
        name = "logits" if "logits" in scores else scores[0]
        activation = "softmax" if contract.outputs[name].dims[-1] == max(SCORE_WIDTHS) else None
        return Guess(Task.RERANK, f"its output {name} is a score", activation=activation)
    vectors = [
        name
        for name, spec in contract.outputs.items()
        if len(row_dims(spec, contract)) in (1, 2) and name not in scores
    ]
    return Guess(Task.EMBED, f"its output {vectors[0]} holds vectors") if vectors else None
