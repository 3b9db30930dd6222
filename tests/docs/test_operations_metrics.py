"""The table of metrics in docs/operations.md against the metrics, both ways."""

from __future__ import annotations

from app.observability import process_metrics, sampling
from app.observability.metrics import REGISTRY
from tests.docs.pages import PROJECT, code_spans, rows

PAGE = PROJECT / "docs" / "operations.md"
LOADED = (process_metrics, sampling)


def test_every_metric_is_on_the_page_with_its_kind_and_labels() -> None:
    known = {}
    for metric in REGISTRY._collector_to_names:
        (family,) = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        known[name] = (family.type, tuple(metric._labelnames))
    told = {
        name: (row["kind"], tuple(code_spans(row["labels"])))
        for row in rows(PAGE, "Metrics", "metric")
        for name in code_spans(row["metric"])
    }
    assert told == known
