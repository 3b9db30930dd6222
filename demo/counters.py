"""The language model's counters, read from Triton's metrics port."""

import re
import urllib.request
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counters:
    """Requests by what became of them, and generated tokens, since the model was loaded.

    A request that is running is in `started` only.
    """

    started: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    tokens: int = 0


def read_counters(metrics_url: str, model: str) -> Counters:
    """Read the counters of one Triton model. Raises `OSError` if Triton does not answer in 30 s."""
    with urllib.request.urlopen(metrics_url, timeout=30.0) as response:  # noqa: S310
        text = response.read().decode()
    return Counters(**{field.name: _read(text, field.name, model) for field in fields(Counters)})


def _read(text: str, name: str, model: str) -> int:
    pattern = rf'^demo_{name}_total{{model="{re.escape(model)}"}} (\S+)$'
    found = re.search(pattern, text, re.MULTILINE)
    return int(float(found[1])) if found else 0
