"""docs/configuration.md against the table of settings and the schemas, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from app.cli import main
from app.registry import read_registry
from app.registry.files import ConfigurationFiles
from app.schemas.configuration import (
    SECTIONS,
    EmbeddingOutputSchema,
    RerankOutputSchema,
    TimeoutsSchema,
)
from app.settings import TABLE, Setting
from app.types import TOOL_CALL_PARSERS
from demo.triton import TritonServer
from tests.applications import build_application
from tests.docs.pages import PROJECT, blocks, code_spans, rows, sections
from tests.live.contracts import LANGUAGE_MODEL
from tests.live.entries import PATIENT
from tests.tokenizers.cached import folder

PAGE = PROJECT / "docs" / "configuration.md"
SETTINGS = rows(PAGE, "Settings", "setting")
PARTS = {
    "model_infos": ("`model_infos`", SECTIONS["model_infos"]),
    "llm": ("`llm`", SECTIONS["llm"]),
    "embedding": ("`embedding`", SECTIONS["embedding"]),
    "embedding.output_config": ("`output_config` of `embedding`", EmbeddingOutputSchema),
    "rerank": ("`rerank`", SECTIONS["rerank"]),
    "rerank.output_config": ("`output_config` of `rerank`", RerankOutputSchema),
    "timeouts": ("Waiting: `timeouts`", TimeoutsSchema),
}


def keys_of(part: str) -> list[dict[str, str]]:
    return rows(PAGE, PARTS[part][0], "key")


def test_every_setting_is_on_the_page() -> None:
    assert [code_spans(row["setting"]) for row in SETTINGS] == [[row.name] for row in TABLE]


@pytest.mark.parametrize(
    ("row", "setting"), list(zip(SETTINGS, TABLE, strict=False)), ids=[row.name for row in TABLE]
)
def test_settings_are_as_the_page_says(row: dict[str, str], setting: Setting) -> None:
    assert code_spans(row["variable"]) == [setting.env]
    assert code_spans(row["flag"]) == list(setting.flags)
    default = setting.default
    if isinstance(default, Path):
        default = default.name
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert code_spans(row["default"]) == ([] if default is None else [shown])
    assert row["meaning"]


@pytest.mark.parametrize("part", PARTS)
def test_keys_are_the_schemas(part: str) -> None:
    schema: Schema = PARTS[part][1]()
    assert {row["key"] for row in keys_of(part)} == {f"`{name}`" for name in schema.fields}


@pytest.mark.parametrize("part", PARTS)
def test_defaults_are_the_schemas(part: str) -> None:
    schema: Schema = PARTS[part][1]()
    for row in keys_of(part):
        (name,) = code_spans(row["key"])
        field = schema.fields[name]
        if isinstance(field, fields.Nested):
            continue
        assert row["default"] == shown_default(field) or is_in_words(field, row), name


def shown_default(field: Any) -> str:
    return "required" if field.required else f"`{json.dumps(field.load_default)}`"


def is_in_words(field: Any, row: dict[str, str]) -> bool:
    """Where the schema has no default, the page says in words what takes its place."""
    default = row["default"]
    is_only_code = default.startswith("`") and default.endswith("`") and default.count("`") == 2
    return not field.required and field.load_default is None and bool(default) and not is_only_code


@pytest.mark.parametrize("part", PARTS)
def test_choices_are_the_schemas(part: str) -> None:
    schema: Schema = PARTS[part][1]()
    for row in keys_of(part):
        (name,) = code_spans(row["key"])
        choices = getattr(getattr(schema.fields[name], "inner", None), "choices", ())
        if len(choices) > 1:
            assert code_spans(row["type"]) == [json.dumps(choice) for choice in choices], name


def examples() -> list[str]:
    """The configuration files on the page, the example last."""
    return [block.text for block in blocks(PAGE) if block.language == "json"]


def with_folders(example: str, folders: Mapping[str, Path]) -> Any:
    """An example's content with other folders, by section."""
    content = json.loads(example)
    for section in folders.keys() & content.keys():
        for entry in content[section]:
            entry["path"] = str(folders[section])
    return content


def test_the_user_guides_example_loads(tmp_path: Path) -> None:
    """Unchanged but for its folders, which are small ones here."""
    *_, example = examples()
    encoder = folder("wordpiece")
    folders = {"llm": folder("byte_level_bpe"), "embedding": encoder, "rerank": encoder}
    file = tmp_path / "model_config.json"
    file.write_text(json.dumps(with_folders(example, folders)))
    registry, problems = read_registry(file, PROJECT / "chat_templates", ConfigurationFiles())
    assert problems == []
    assert registry.warnings == ()
    facts = registry.find("chatglm2-6b").facts  # type: ignore[attr-defined]  # a language model's
    assert (facts.start_id, facts.end_id, facts.mask_positions) == (-1, -2, (-1,))
    assert facts.bad_words == ((7768,), (3908,))
    assert facts.stop_words == ((2,), (2,))
    assert registry.find("bge-reranker").inputs == {  # type: ignore[attr-defined]
        "input_ids": "input_ids",
        "attention_mask": "attention_mask",
    }


def test_the_readmes_example_loads(tmp_path: Path) -> None:
    (example,) = (
        block.text
        for block in blocks(PROJECT / "README.md")
        if block.language == "json" and '"llm"' in block.text
    )
    file = tmp_path / "model_config.json"
    file.write_text(json.dumps(with_folders(example, {"llm": folder("byte_level_bpe")})))
    registry, problems = read_registry(file, PROJECT / "chat_templates", ConfigurationFiles())
    assert problems == []
    assert registry.warnings == ()


# What each `triton_model` of the examples is called in the tests' Triton.
CONTRACTS = {"tensorrt_llm": "trt-llm", "ensemble": "trt-ensemble", "vllm_model": "vllm"}


def test_every_other_backend_has_an_example() -> None:
    shown = [json.loads(example)["llm"][0]["triton_model"] for example in examples()[:-1]]
    assert shown == list(CONTRACTS)


def with_contract(example: str, server: TritonServer) -> Any:
    """An example's content with the tests' Triton, whose models have the same contracts."""
    content = with_folders(example, {"llm": LANGUAGE_MODEL})
    (entry,) = content["llm"]
    name = CONTRACTS[entry["triton_model"]]
    entry |= {"url": server.grpc_url, "triton_model": name, "timeouts": PATIENT}
    return content


@pytest.mark.parametrize("example", examples()[:-1], ids=CONTRACTS)
def test_examples_fit_their_models(
    example: str, tritonserver: TritonServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = with_contract(example, tritonserver)
    name, length = content["llm"][0]["name"], content["model_infos"][0]["max_len"]
    file = tmp_path / "model_config.json"
    file.write_text(json.dumps(content))
    assert main(["check-config", str(file), "--connect"]) == 0
    printed = capsys.readouterr().out
    assert f"{name}: ready" in printed
    assert f"{name}: generate, {length} tokens" in printed


@pytest.mark.parametrize("example", examples()[:-1], ids=CONTRACTS)
def test_examples_give_the_same_text(
    example: str, tritonserver: TritonServer, tmp_path: Path
) -> None:
    """The prompt has its BOS token once: with two or none the text would be another."""
    content = with_contract(example, tritonserver)
    client = build_application(tmp_path, content).test_client()
    body = {"model": content["llm"][0]["name"], "prompt": "Once upon a time", "temperature": 0}
    answer = client.post("/v1/completions", json=body).get_json()
    assert answer["choices"][0]["text"].startswith(", a quiet penguin named Emma")


@pytest.mark.parametrize(
    "fields",
    [
        {"logprobs": 0},
        {"best_of": 2, "temperature": 1},
        {"logit_bias": {"5": -100}},
        {"skip_special_tokens": False},
        # "Hello" in pieces that the tokenizer would not make of it.
        {"prompt": [0, 43, 422, 82]},
        {"prompt": None, "messages": [{"role": "user", "content": "What is <|im_end|>?"}]},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_what_text_costs(
    fields: dict[str, Any], tritonserver: TritonServer, tmp_path: Path
) -> None:
    """Refused by the ensemble, but not by the model in it."""
    statuses = []
    for example in examples()[:2]:
        content = with_contract(example, tritonserver)
        client = build_application(tmp_path, content).test_client()
        body = {"model": content["llm"][0]["name"], "prompt": "Once", "max_tokens": 2, **fields}
        path = "/v1/chat/completions" if "messages" in fields else "/v1/completions"
        statuses.append(client.post(path, json=body).status_code)
    assert statuses == [200, 400]


def test_word_lists_are_read_as_the_page_says() -> None:
    from app.registry.words import read_words

    text = sections(PAGE)["How word lists are read"]
    lists = [span for span in code_spans(text) if span.startswith("[[")]
    assert [read_words(json.loads(span)) for span in lists] == [
        ((7768,), (3908,)),
        ((5,), (6, 7)),
        ((2,), (2,)),
    ]


def test_every_chat_template_is_in_the_table() -> None:
    shown = {
        name
        for row in rows(PAGE, "Tools, reasoning and templates", "`chat_template`")
        for name in code_spans(row["`chat_template`"])
    }
    assert shown == {path.name for path in (PROJECT / "chat_templates").glob("*.jinja")}


def test_the_parsers_of_the_table_are_those_that_there_are() -> None:
    shown = {
        name
        for row in rows(PAGE, "Tools, reasoning and templates", "`chat_template`")
        for name in code_spans(row["`tool_call_parser`"])
    }
    assert shown == set(TOOL_CALL_PARSERS)
