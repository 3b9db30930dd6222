"""vLLM's names for what this server counts too, so that its dashboards work here.

https://docs.vllm.ai/en/latest/usage/metrics/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.samples import Sample

from app.observability.instruments import PREFIX, UNKNOWN
from app.observability.request_metrics import DECODE, FIRST_TOKEN

VLLM_PREFIX = "vllm:"
MODEL = "model"
# What vLLM calls a label.
LABELS: Mapping[str, str] = {MODEL: "model_name", "finish_reason": "finished_reason"}


@dataclass(frozen=True, slots=True)
class Alias:
    """A metric's other name, without VLLM_PREFIX and `_total`: of the series with these labels."""

    name: str
    only: Mapping[str, str] = field(default_factory=dict)


# By the name here, without PREFIX and `_total`. The meanings are the same; docs/metrics.md.
ALIASES: Mapping[str, tuple[Alias, ...]] = {
    "requests_running": (Alias("num_requests_running"),),
    "requests_waiting": (Alias("num_requests_waiting"),),
    "prompt_tokens": (Alias("prompt_tokens"),),
    "completion_tokens": (Alias("generation_tokens"),),
    "choices_finished": (Alias("request_success"),),
    "time_to_first_token_seconds": (Alias("time_to_first_token_seconds"),),
    "time_between_tokens_seconds": (
        Alias("inter_token_latency_seconds"),
        Alias("time_per_output_token_seconds"),
    ),
    "answer_seconds": (Alias("e2e_request_latency_seconds"),),
    "queue_wait_seconds": (Alias("request_queue_time_seconds"),),
    "phase_seconds": (
        Alias("request_prefill_time_seconds", {"phase": FIRST_TOKEN}),
        Alias("request_decode_time_seconds", {"phase": DECODE}),
    ),
    "request_prompt_tokens": (Alias("request_prompt_tokens"),),
    "request_completion_tokens": (Alias("request_generation_tokens"),),
}


def with_vllm_names(families: Iterable[Metric]) -> Iterator[Metric]:
    """These families, each followed by what vLLM calls it."""
    for family in families:
        yield family
        for alias in ALIASES.get(family.name.removeprefix(PREFIX), ()):
            yield _renamed(family, alias)


def _renamed(family: Metric, alias: Alias) -> Metric:
    name = VLLM_PREFIX + alias.name
    renamed = Metric(name, f"{family.name} in vLLM's name", family.type)
    for sample in family.samples:
        if alias.only.items() <= sample.labels.items() and sample.labels.get(MODEL) != UNKNOWN:
            labels = {
                LABELS.get(label, label): value
                for label, value in sample.labels.items()
                if label not in alias.only
            }
            ending = sample.name.removeprefix(family.name)
            renamed.samples.append(Sample(name + ending, labels, sample.value))
    return renamed
