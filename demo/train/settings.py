"""The sizes of the model and of its training."""

from __future__ import annotations

from dataclasses import dataclass

VOCABULARY = 3072
MAX_POSITIONS = 2048


@dataclass(frozen=True)
class Settings:
    """One training run: it ends after so many tokens, or minutes if those are over first."""

    tokens: int = 10_000_000
    minutes: float = 50.0
    seed: int = 20240
    threads: int = 2
    batch_tokens: int = 3072
    peak_rate: float = 2e-3
    warmup_share: float = 0.03
    weight_decay: float = 0.05
    save_minutes: float = 3.0
