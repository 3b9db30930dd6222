"""Trains the model on the generated corpus, for a number of tokens or of minutes."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from .batches import Batch, batches
from .export import export
from .settings import Settings

REPORT_STEPS = 50


@dataclass
class Progress:
    """What a run has done so far."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    curve: list[dict[str, float]] = field(default_factory=list)


def rate_at(share: float, settings: Settings) -> float:
    """The learning rate after a share of the run: linear warmup, then a cosine to zero."""
    if share < settings.warmup_share:
        return settings.peak_rate * share / settings.warmup_share
    done = min(1.0, (share - settings.warmup_share) / (1.0 - settings.warmup_share))
    return settings.peak_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * done)))


def make_optimizer(model: LlamaForCausalLM, settings: Settings) -> torch.optim.AdamW:
    """AdamW that decays matrices and leaves the norms alone."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    norms = [p for p in model.parameters() if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": norms, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.peak_rate, betas=(0.9, 0.98), fused=True)


def losses(
    model: LlamaForCausalLM, batch: Batch, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted loss of a batch, and the plain mean loss of its answers."""
    # bfloat16 products made a step about a third faster; the weights stay in float32.
    with torch.autocast(device.type, torch.bfloat16):
        logits = model(
            input_ids=batch.ids.to(device), position_ids=batch.positions.to(device), use_cache=False
        ).logits
    each = cross_entropy(
        logits.float().flatten(0, 1), batch.targets.to(device).flatten(), reduction="none"
    )
    weights = batch.weights.to(device).flatten()
    answers = (weights == 1.0).float()
    return (each * weights).sum() / weights.sum(), (each.detach() * answers).sum() / answers.sum()


def train(
    settings: Settings, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> Progress:
    """Trains until tokens or time are over; saves the model now and then, and at the end."""
    torch.set_num_threads(settings.threads)
    device = torch.accelerator.current_accelerator() or torch.device("cpu")
    model.to(device).train()
    optimizer = make_optimizer(model, settings)
    progress, start, saved, recent = Progress(), time.monotonic(), 0.0, []
    for batch in batches(tokenizer, settings.seed, settings.batch_tokens):
        progress.seconds = time.monotonic() - start
        share = max(progress.tokens / settings.tokens, progress.seconds / (60 * settings.minutes))
        if share >= 1.0:
            break
        for group in optimizer.param_groups:
            group["lr"] = rate_at(share, settings)
        recent.append(_step(model, optimizer, batch, device))
        progress.steps += 1
        progress.tokens += int((batch.weights > 0).sum())
        if progress.steps % REPORT_STEPS == 0:
            _report(progress, recent)
            recent = []
        if progress.seconds - saved > 60 * settings.save_minutes:
            saved = progress.seconds
            export(model, tokenizer, folder)
    if recent:
        _report(progress, recent)
    export(model, tokenizer, folder)
    return progress


def _step(
    model: LlamaForCausalLM, optimizer: torch.optim.AdamW, batch: Batch, device: torch.device
) -> float:
    loss, answer_loss = losses(model, batch, device)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(answer_loss)


def _report(progress: Progress, recent: list[float]) -> None:
    point = {
        "step": progress.steps,
        "tokens": progress.tokens,
        "minutes": round(progress.seconds / 60, 2),
        "answer_loss": round(sum(recent) / len(recent), 4),
    }
    progress.curve.append(point)
    print(json.dumps(point), flush=True)


def figures(settings: Settings, progress: Progress, machine: str) -> dict[str, Any]:
    """What the run was and how it went."""
    keep = max(1, len(progress.curve) // 20)
    return {
        "machine": machine,
        "torch": torch.__version__,
        "settings": asdict(settings),
        "steps": progress.steps,
        "tokens": progress.tokens,
        "minutes": round(progress.seconds / 60, 2),
        "tokens_per_second": round(progress.tokens / progress.seconds),
        "final_answer_loss": progress.curve[-1]["answer_loss"],
        "curve": [*progress.curve[:-1:keep], progress.curve[-1]],
    }
