"""One HTML page of the results that needs nothing else: no script, no other file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.bars import Verdict, judge
from benchmarks.charts import STYLE
from benchmarks.exhibits import exhibits
from benchmarks.results import Results
from benchmarks.tables import (
    Table,
    bar_rows,
    ceiling_sentence,
    cross_check_table,
    scenario_table,
)

PAGE_STYLE = """
:root{color-scheme:light dark;--ink:#1f2937;--muted:#6b7280;--line:#e5e7eb;--page:#fff;
--met:#15803d;--unmet:#b91c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e5e7eb;--muted:#9aa3b2;--line:#2d3542;
--page:#12161d;--met:#4ade80;--unmet:#f87171}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);
max-width:1100px;margin:2rem auto;padding:0 1rem}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem}h3{margin-bottom:.2rem}
p.note,figcaption,dt{color:var(--muted)}figure{margin:1.5rem 0}svg{max-width:820px;width:100%}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;
vertical-align:top;font-variant-numeric:tabular-nums}
th{font-weight:600}td.met{color:var(--met);font-weight:600;white-space:nowrap}
td.unmet{color:var(--unmet);font-weight:600;white-space:nowrap}
td:nth-child(2){min-width:7.5rem}
td small{display:block;color:var(--muted);font-size:11px;white-space:nowrap}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}dd{margin:0}
"""
WITH_RANGE = re.compile(r"(\S+) \((\S+ to \S+)\)")
MISSING = "There is no explanation yet."
CLASSES = {"met": "met", "not met": "unmet"}
MACHINE = {
    "cpu": "processor",
    "cores": "cores",
    "memory_gib": "memory, GiB",
    "kernel": "Linux",
    "python": "Python",
    "load_average": "processes that were running before",
    "commit": "commit",
    "date": "date, UTC",
    "runs": "runs",
}


def render(results: Results) -> str:
    """The whole page."""
    verdicts = judge(results)
    parts = [
        "<h1>What the server costs</h1>",
        _machine(results.content),
        "<h2>The bars</h2>",
        "<p class=note>Ratios are taken run by run; the median decides.</p>",
        _table(bar_rows(verdicts)),
        *_explanations(verdicts),
        f"<p>{escape(ceiling_sentence(results))}</p>",
        *_cross_check(results),
        "<h2>Charts</h2>",
        "<p class=note>Medians; whiskers reach from the lowest to the highest run.</p>",
        *_figures(results),
        "<h2>Every figure</h2>",
        *_scenarios(results),
        _not_measured(results.content),
    ]
    style = f"<style>{PAGE_STYLE}{STYLE}</style>"
    head = f'<meta charset="utf-8"><title>What the server costs</title>{style}'
    return (
        f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'
    )


def _machine(content: Mapping[str, Any]) -> str:
    facts = {**content["machine"], "runs": content["runs"]}
    rows = [(label, str(facts[key])) for key, label in MACHINE.items() if key in facts]
    rows += [(name, _versions(parts)) for name, parts in content["versions"].items()]
    return f"<dl>{''.join(f'<dt>{escape(a)}</dt><dd>{escape(b)}</dd>' for a, b in rows)}</dl>"


def _versions(parts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in parts.items())


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in table.headings)
    body = "".join(f"<tr>{''.join(map(_data, row))}</tr>" for row in table.rows)
    return f"<div class=wide><table><tr>{head}</tr>{body}</table></div>"


def _data(text: str) -> str:
    kind = f' class="{CLASSES[text]}"' if text in CLASSES else ""
    if found := WITH_RANGE.fullmatch(text):
        return f"<td>{escape(found[1])}<small>{escape(found[2])}</small></td>"
    return f"<td{kind}>{escape(text)}</td>"


def _explanations(verdicts: Sequence[Verdict]) -> Iterable[str]:
    for verdict in verdicts:
        if verdict.is_met is False:
            yield f"<h3>Not met: {escape(verdict.bar.what)}</h3>"
            paragraphs = (verdict.explanation or MISSING).split("\n\n")
            yield from (f"<p>{escape(each)}</p>" for each in paragraphs)


def _cross_check(results: Results) -> Iterable[str]:
    table = cross_check_table(results)
    if table.rows:
        yield "<h3>The same load by generators of others</h3>"
        yield _table(table)


def _figures(results: Results) -> Iterable[str]:
    for each in exhibits(results):
        caption = f"<figcaption>{escape(each.text)}</figcaption>"
        yield f"<figure><h3>{escape(each.title)}</h3>{caption}{each.svg}</figure>"


def _scenarios(results: Results) -> Iterable[str]:
    for scenario in results.scenarios():
        yield f"<h3>{escape(scenario['title'])}</h3>"
        yield _table(scenario_table(results, scenario["name"]))


def _not_measured(content: Mapping[str, Any]) -> str:
    missing = content.get("missing", {})
    rows = "".join(f"<li>{escape(name)}: {escape(cause)}</li>" for name, cause in missing.items())
    return f"<h3>Not measured</h3><ul>{rows}</ul>" if rows else ""
