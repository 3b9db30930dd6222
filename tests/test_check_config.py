"""`openai-api check-config`: what is told beside mistakes, and about templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.applications import (
    EMBEDDING,
    LLM,
    RERANKER,
    standard_configuration,
    write_configuration,
)
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton, encoder_of_scores
from tests.test_cli import Check, check, nowhere

__all__ = ["check"]  # a fixture

TOOLS = "{% for tool in tools or [] %}{{ tool }}{% endfor %}"


def checked(base: Path, check: Check, content: Any, *more: str) -> Any:
    return check(str(write_configuration(base, content)), *more)


# ---- mistakes and --connect together


@pytest.fixture
def content(triton: ScriptedTriton, http_triton: ScriptedHttpTriton) -> dict[str, Any]:
    """A language model and an embedding model that are right."""
    found = standard_configuration(triton.address, http_triton.address)
    del found["rerank"]
    return found


MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("embedding", {"token_input": "cl100k"}, "embedding[1].token_input"),
    ("embedding", {"max_tokens": 0}, "embedding[1].max_tokens"),
    ("embedding", {"path": "absent"}, "embedding[1].path"),
    ("llm", {"backend": "onnx"}, "llm[1].backend"),
    ("llm", {"chat_template": "absent.jinja"}, "llm[1].chat_template"),
]


@pytest.mark.parametrize(("section", "changes", "place"), MISTAKES)
def test_a_broken_entry_does_not_keep_the_others_from_being_asked(
    tmp_path: Path,
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    content: dict[str, Any],
    section: str,
    changes: dict[str, Any],
    place: str,
) -> None:
    monkeypatch.setenv("CL100K_FILE", str(tmp_path / "absent.tiktoken"))
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    content[section].append({**content[section][0], "name": "broken", **changes})
    if section == "llm":
        content["model_infos"].append({**content["model_infos"][0], "name": "broken"})
    found = checked(tmp_path, check, content, "--connect")
    assert found.code == 2
    assert f"{LLM}: ready" in found.out
    assert f"{EMBEDDING}: ready" in found.out
    assert "broken: has mistakes, see below" in found.out
    assert "broken: ready" not in found.out
    assert "is valid" not in found.out
    assert place in found.err
    assert found.err.splitlines()[-1].startswith("The server does not start with this file")


@pytest.mark.parametrize(
    ("section", "entry"),
    [("model_infos", {"name": LLM, "stop_words": [[-1], [1]]}), ("embedding", {"name": LLM})],
)
def test_a_model_whose_description_or_name_is_wrong_has_mistakes(
    tmp_path: Path, check: Check, content: dict[str, Any], section: str, entry: dict[str, Any]
) -> None:
    content[section] = [{**content[section][0], **entry}]
    found = checked(tmp_path, check, content, "--connect")
    assert found.code == 2
    assert found.out.count(f"{LLM}: has mistakes, see below") == 1
    assert f"{LLM}: ready" not in found.out


def test_the_remedy_of_a_file_that_is_no_json_is_told_too(tmp_path: Path, check: Check) -> None:
    (tmp_path / "models.json").write_text("{")
    found = check(str(tmp_path / "models.json"))
    assert found.code == 2
    assert "The server does not start with this file" in found.err


@pytest.mark.parametrize("section", [{"llm": 5}, {"llm": [5]}, {"llm": [{"name": 5}]}, []])
def test_mistakes_where_no_model_has_a_name(tmp_path: Path, check: Check, section: Any) -> None:
    found = checked(tmp_path, check, section, "--connect")
    assert found.code == 2
    assert "see below" not in found.out


# ---- what to do at the end

QUESTION = "Is each Triton running at the address above, and has it loaded the model?"
UNTIL_READY = "such a model answers 503 until it is ready"
UNTIL_CORRECTED = "requests to a model whose entry is wrong fail until it is corrected"


def test_an_entry_that_does_not_fit_is_to_be_corrected(
    tmp_path: Path, check: Check, http_triton: ScriptedHttpTriton
) -> None:
    """Its Triton runs and has the model, which no waiting makes another."""
    http_triton.config = encoder_of_scores()
    content = standard_configuration(nowhere(), http_triton.address)
    found = checked(tmp_path, check, {"embedding": content["embedding"]}, "--connect")
    assert UNTIL_CORRECTED in found.out
    assert QUESTION not in found.out
    assert UNTIL_READY not in found.out


def test_a_wrong_port_is_to_be_corrected(
    tmp_path: Path, check: Check, triton: ScriptedTriton
) -> None:
    content = standard_configuration(nowhere(), triton.address)
    found = checked(tmp_path, check, {"embedding": content["embedding"]}, "--connect")
    assert "this looks like Triton's gRPC port" in found.out
    assert UNTIL_CORRECTED in found.out
    assert QUESTION not in found.out


def test_a_triton_that_is_not_there_is_to_be_looked_for(tmp_path: Path, check: Check) -> None:
    content = standard_configuration(nowhere(), nowhere())
    found = checked(tmp_path, check, content, "--connect")
    assert QUESTION in found.out
    assert UNTIL_READY in found.out
    assert UNTIL_CORRECTED not in found.out


def test_all_mistakes_are_told_also_those_of_other_layers(tmp_path: Path, check: Check) -> None:
    """A folder without a tokenizer, a broken entry and a name used twice."""
    (tmp_path / "empty").mkdir()
    found = standard_configuration(nowhere(), nowhere())
    found["embedding"].append({"name": "bare", "url": nowhere(), "path": "empty"})
    found["rerank"] += [{"name": "x", "ulr": 1}, {**found["rerank"][0]}]
    found = checked(tmp_path, check, found)
    assert found.code == 2
    for place in ("embedding[1].path", "rerank[1].ulr", "rerank[1].url", "rerank[2].name"):
        assert place in found.err


# ---- entries in the wrong place


def test_an_embedding_entry_on_a_rerank_model(
    tmp_path: Path, check: Check, http_triton: ScriptedHttpTriton
) -> None:
    http_triton.config = encoder_of_scores()
    content = standard_configuration(nowhere(), http_triton.address)
    content = {"embedding": content["embedding"], "rerank": content["rerank"]}
    found = checked(tmp_path, check, content, "--connect")
    assert found.code == 1
    assert f"{RERANKER}: ready" in found.out
    assert "no output of vectors, only logits [1]: move the entry to rerank" in found.out


# ---- tools


@pytest.mark.parametrize(
    ("template", "is_told"), [("{{ messages }}", True), (TOOLS, False), (None, True)]
)
def test_tool_calls_need_a_template_that_takes_tools(
    tmp_path: Path, check: Check, template: str | None, is_told: bool
) -> None:
    (tmp_path / "own.jinja").write_text(template or "")
    own = {"chat_template": "own.jinja" if template else None}
    content = standard_configuration(
        nowhere(), nowhere(), llm={"tool_call_parser": "hermes", **own}
    )
    found = checked(tmp_path, check, content)
    assert found.code == 0, found.err
    warnings = [line for line in found.out.splitlines() if "warning" in line]
    assert len(warnings) == is_told
    assert all("tool_call_parser" in line and "chat_template" in line for line in warnings)
