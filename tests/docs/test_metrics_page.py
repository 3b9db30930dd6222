"""docs/metrics.md against the metrics and vLLM's names, docs/alerts.md against the alerts."""

from __future__ import annotations

import re

import pytest

from app.observability import gauges, process_metrics
from app.observability.instruments import PREFIX, REGISTRY
from app.observability.vllm_names import ALIASES, VLLM_PREFIX
from tests.docs.pages import PROJECT, code_spans, rows, sections
from tests.prometheus.expressions import RULE_FILES, alerts, names_in, panels, rules

PAGE = PROJECT / "docs" / "metrics.md"
ALERTS_PAGE = PROJECT / "docs" / "alerts.md"
LOADED = (gauges, process_metrics)
KINDS = {"page", "ticket"}


def known() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every metric by its name, with its kind and labels."""
    found = {}
    for metric in REGISTRY._collector_to_names:
        (family,) = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, tuple(metric._labelnames))
    return found


def total(name: str) -> str:
    """The name as the page has it: counters end in `_total`."""
    return f"{name}_total" if known().get(f"{PREFIX}{name}_total") else name


def test_every_metric_is_on_the_page_with_its_kind_and_labels() -> None:
    told = {
        name: (row["kind"], tuple(code_spans(row["labels"])))
        for row in rows(PAGE, "Every metric", "metric")
        for name in code_spans(row["metric"])
    }
    assert told == known()


def test_every_name_of_vllm_s_is_on_the_page() -> None:
    told = {
        row["metric"].strip("`"): set(code_spans(row["vLLM's name"]))
        for row in rows(PAGE, "vLLM's names", "metric")
    }
    expected = {}
    for name, aliases in ALIASES.items():
        ending = "_total" if total(name) != name else ""
        expected[PREFIX + total(name)] = {f"{VLLM_PREFIX}{each.name}{ending}" for each in aliases}
    assert told == expected


def test_a_name_without_counterpart_is_none_of_ours() -> None:
    section = sections(PAGE)["vLLM's names"]
    ours = {f"{VLLM_PREFIX}{alias.name}" for aliases in ALIASES.values() for alias in aliases}
    missing = {name for name in code_spans(section.partition("no counterpart")[2]) if ":" in name}
    assert len(missing) > 10
    assert not missing & ours


def test_rules_and_dashboard_ask_for_what_there_is() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    endings = ("_bucket", "_sum", "_count")
    every = {f"{name}{end}" for name in known() for end in ("", *endings)} | recorded
    for expression in (*(rule["expr"] for rule in rules()), *panels().values()):
        for name in names_in(expression):
            if name.startswith((PREFIX, "process_")) or ":" in name:
                assert name in every, expression


def test_every_alert_has_its_section() -> None:
    headed = [name for name in sections(ALERTS_PAGE) if name != "Alerts"]
    assert headed == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        section = sections(ALERTS_PAGE)[rule["alert"]]
        assert section.strip().startswith(f"`{rule['labels']['severity']}`."), rule["alert"]


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_where_to_read_on(rule: dict[str, object]) -> None:
    annotations, labels = rule["annotations"], rule["labels"]
    assert annotations["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"
    assert annotations["summary"]
    assert labels["severity"] in KINDS
    assert "for" in rule or "changes(" in str(rule["expr"]), (
        "one sample is no reason to wake anybody"
    )


def test_panels_that_the_alerts_page_names_are_there() -> None:
    titles = {title for title, _ in panels()}
    named = set(re.findall(r"\*([^*]+)\*", ALERTS_PAGE.read_text())) - {"Targets"}
    assert named
    assert named <= titles
    assert all(path.is_file() for path in RULE_FILES)
