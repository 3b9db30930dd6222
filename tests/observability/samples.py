"""Reading the metrics as Prometheus does."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Series = tuple[str, frozenset[tuple[str, str]]]


class Samples:
    """The series of one scrape."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        self.types = {family.name: family.type for family in families}
        self.values: Mapping[Series, float] = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """The value of one series, 0 where there is none."""
        return self.values.get((f"openai_api_{name}", frozenset(labels.items())), 0.0)

    def total(self, name: str, **labels: str) -> float:
        """The sum of all series that have these labels."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, pairs), value in self.values.items()
            if found == f"openai_api_{name}" and wanted <= pairs
        )

    def labels(self, label: str) -> set[str]:
        """Every value of a label."""
        return {value for _, pairs in self.values for name, value in pairs if name == label}
