"""The fields that docs/logs.md and docs/tracing.md name are those that there are."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.observability import access_log, log_lines, log_stream, prompt_log, tracing
from app.observability.log_lines import JsonFormatter, TextFormatter
from app.settings import TABLE
from tests.applications import LLM, build_application, standard_configuration
from tests.docs.pages import PROJECT, blocks
from tests.live.collector import collecting, told_to
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton

LOGS, TRACING = PROJECT / "docs" / "logs.md", PROJECT / "docs" / "tracing.md"
ROW = re.compile(r"^\| (`[^|]*`) \|", re.MULTILINE)
NAME = re.compile(r"`([a-z_]+)`")
# Of other lines than these; an error's is not here.
ELSEWHERE = {"trace_id", "error"}


@pytest.fixture
def app(tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> Flask:
    configuration = standard_configuration(triton.address, http_triton.address)
    return build_application(tmp_path, configuration, API_KEYS="sk-a")


@pytest.fixture
def record(app: Flask) -> logging.LogRecord:
    """That of a streamed chat with a key."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    access_log.log.addHandler(handler)
    body = {"model": LLM, "messages": [{"role": "user", "content": "a"}], "stream": True}
    headers = {"Authorization": "Bearer sk-a"}
    with app.test_client().post("/v1/chat/completions", json=body, headers=headers) as answer:
        answer.get_data()
    access_log.log.removeHandler(handler)
    return records[0]


def shown(language: str) -> str:
    """The example in this form."""
    (block,) = (each for each in blocks(LOGS) if each.run_by and each.language == language)
    return block.text


def test_the_line_in_json(record: logging.LogRecord) -> None:
    told: dict[str, Any] = json.loads(JsonFormatter().format(record))
    assert list(json.loads(shown("json"))) == list(told)


def test_the_line_in_words(record: logging.LogRecord) -> None:
    words = re.compile(r" (\w+)=")
    assert words.findall(shown("text")) == words.findall(TextFormatter().format(record))


def test_the_fields_of_a_request(record: logging.LogRecord) -> None:
    section = LOGS.read_text().split("## The line of a request")[1].split("\n## ")[0]
    listed = {name for row in ROW.findall(section) for name in NAME.findall(row)}
    assert listed == record.fields.keys() | ELSEWHERE  # type: ignore[attr-defined]


def test_the_settings() -> None:
    section = LOGS.read_text().split("## Which lines there are")[1].split("\n## ")[0]
    for name in re.findall(r"`([A-Z_]{4,})`", "".join(ROW.findall(section))):
        assert name in {setting.env for setting in TABLE}


def test_the_limits() -> None:
    text = LOGS.read_text()
    assert f"{log_lines.MAX_MESSAGE:,} characters" in text
    assert f"cut to {access_log.MAX_PATH} characters" in text
    assert f"{prompt_log.MAX_CHARACTERS:,}" in text
    assert f"up to {log_stream.MAX_KEPT // 2**20} MiB of lines" in text
    for path in access_log.PROBES:
        assert f"`{path}`" in text
        assert f"`{path}`" in TRACING.read_text()


def test_the_spans_of_a_chat(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configuration = standard_configuration(triton.address, http_triton.address)
    body = {"model": LLM, "messages": [{"role": "user", "content": "a"}], "temperature": 1}
    with collecting() as collector:
        for name, value in told_to(collector).items():
            monkeypatch.setenv(name, value)
        client = build_application(tmp_path, configuration, TRACING="true").test_client()
        client.post("/v1/chat/completions", json=body).close()
        assert tracing._tracing is not None
        tracing._tracing.end()
        monkeypatch.setattr(tracing, "_tracing", None)
        sent = collector.spans
    page = TRACING.read_text()
    names = {span.name.replace(LLM, "demo-chat") for span in sent}
    drawn = {line.strip("├└─ ").split("  ")[0] for line in tree(page)}
    assert names | {"sent", "first token"} == drawn
    attributes = {name for span in sent for name in span.attributes}
    told = set(re.findall(r"`((?:gen_ai|http|url|user_agent|openai_api)\.[a-z_.]+)`", page))
    assert told <= attributes | {"user_agent.original"}


def tree(page: str) -> list[str]:
    (block,) = (each.text for each in blocks(TRACING) if each.language == "text")
    return [line.replace("·", "").strip() for line in block.splitlines()]
