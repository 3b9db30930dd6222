"""What `POST /v1/embeddings` makes of texts and of token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.cli import main
from app.errors import ConfigurationError
from tests.applications import EMBEDDING, write_configuration
from tests.backends.encoders import encoder_config
from tests.scripted_triton import ScriptedHttpTriton
from tests.services.encoder_application import encoder_client, texts_of, token_rows
from tests.tokenizers.cached import folder, tokenizer
from tests.tokenizers.cl100k import cl100k_file, cl100k_folder, encode

TEXTS = ["The harbour", "a small boat"]


@pytest.fixture(autouse=True)
def _no_cache_of_tiktoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)


@pytest.fixture
def client(tmp_path: Path, http_triton: ScriptedHttpTriton) -> FlaskClient:
    return encoder_client(tmp_path, http_triton)


def with_cl100k(tmp_path: Path, http_triton: ScriptedHttpTriton, **settings: str) -> FlaskClient:
    return encoder_client(tmp_path, http_triton, embedding={"token_input": "cl100k"}, **settings)


@pytest.fixture
def foreign(tmp_path: Path, http_triton: ScriptedHttpTriton) -> FlaskClient:
    """A client of a model that takes OpenAI's token ids."""
    return with_cl100k(tmp_path, http_triton, CL100K_FILE=str(cl100k_file()))


def post(client: FlaskClient, given: Any, **body: Any) -> Any:
    return client.post("/v1/embeddings", json={"model": EMBEDDING, "input": given, **body})


def refusal(response: Any) -> tuple[int, Any, Any]:
    error = response.json["error"]
    return response.status_code, error["param"], error["code"]


@pytest.mark.parametrize(("given", "param"), [(" ", "input"), (["a", "\n"], "input[1]")])
def test_a_text_without_a_token(
    client: FlaskClient, http_triton: ScriptedHttpTriton, given: Any, param: str
) -> None:
    """With special tokens around it is a row like any other."""
    assert post(client, given).status_code == 200
    http_triton.batches.clear()
    assert refusal(post(client, given, add_special_tokens=False)) == (400, param, None)
    assert http_triton.batches == []


# ---- token ids of OpenAI


def test_ids_of_cl100k_are_the_text(foreign: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    by_text = post(foreign, TEXTS).json
    by_ids = post(foreign, [encode(text) for text in TEXTS]).json
    assert by_ids == by_text
    assert sorted(texts_of(http_triton)) == sorted([text.lower() for text in TEXTS] * 2)


def test_one_row_of_ids(foreign: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    assert post(foreign, encode(TEXTS[0])).status_code == 200
    assert texts_of(http_triton) == [TEXTS[0].lower()]


def test_the_text_of_ids_is_cut_like_any(
    foreign: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    assert post(foreign, encode("harbour " * 100)).json["usage"]["prompt_tokens"] == 32
    assert len(token_rows(http_triton)[0]) == 32


@pytest.mark.parametrize(
    ("ids", "param"),
    [([[1], [5, 100256]], "input[1]"), ([200000], "input"), ([[100277], [1]], "input[0]")],
)
def test_ids_that_cl100k_does_not_have(foreign: FlaskClient, ids: Any, param: str) -> None:
    response = post(foreign, ids)
    assert refusal(response) == (400, param, None)
    assert "cl100k_base has no token" in response.json["error"]["message"]


def test_the_file_in_tiktokens_cache_serves_too(
    tmp_path: Path, http_triton: ScriptedHttpTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cl100k_folder()))
    client = with_cl100k(tmp_path, http_triton, CL100K_FILE=str(tmp_path / "absent"))
    post(client, encode(TEXTS[0]))
    assert texts_of(http_triton) == [TEXTS[0].lower()]


def test_without_the_file_the_server_does_not_start(
    tmp_path: Path, http_triton: ScriptedHttpTriton
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_cl100k(tmp_path, http_triton, CL100K_FILE=str(tmp_path / "absent"))
    (problem,) = caught.value.problems
    assert problem.path == "embedding[0].token_input"
    assert "CL100K_FILE" in problem.message


def test_check_config_tells_it_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"name": EMBEDDING, "url": "localhost:8000", "path": str(folder("wordpiece"))}
    file = write_configuration(tmp_path, {"embedding": [{**entry, "token_input": "cl100k"}]})
    monkeypatch.setenv("CL100K_FILE", str(tmp_path / "absent"))
    assert main(["check-config", str(file)]) == 2
    assert "embedding[0].token_input: cl100k needs the file" in capsys.readouterr().err
    monkeypatch.setenv("CL100K_FILE", str(cl100k_file()))
    assert main(["check-config", str(file)]) == 0


def test_the_file_is_not_read_for_other_models(
    tmp_path: Path, http_triton: ScriptedHttpTriton
) -> None:
    client = encoder_client(tmp_path, http_triton, CL100K_FILE=str(tmp_path / "absent"))
    assert post(client, "a").status_code == 200


# ---- the model's own ids


def test_a_model_may_refuse_ids(tmp_path: Path, http_triton: ScriptedHttpTriton) -> None:
    client = encoder_client(tmp_path, http_triton, embedding={"token_input": "reject"})
    assert refusal(post(client, [[5]])) == (400, "input", None)
    assert post(client, "a").status_code == 200


def test_special_tokens_can_be_left_out(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    whole = tokenizer("wordpiece").encode("harbour")
    post(client, "harbour", add_special_tokens=False)
    post(client, whole[1:-1], add_special_tokens=False)
    post(client, "harbour")
    assert token_rows(http_triton) == [whole[1:-1], whole[1:-1], whole]


# ---- too long

LONG = "small boat harbour stone wall " * 20
IDS = tokenizer("wordpiece").encode(LONG)[1:-1]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"truncate_prompt_tokens": 10}, IDS[:8]),
        ({"truncate_prompt_tokens": -1}, IDS[:30]),
        ({"truncate_prompt_tokens": 10**6}, IDS[:30]),
        ({"truncate_prompt_tokens": 10, "truncate": "none"}, IDS[:8]),
        ({"truncate_prompt_tokens": 10, "truncation_side": "left"}, IDS[-8:]),
        ({"truncate_prompt_tokens": 10, "truncation_side": "right"}, IDS[:8]),
        ({"truncate": "start"}, IDS[-30:]),
        ({"truncate": "end"}, IDS[:30]),
        ({"truncate": None, "truncate_prompt_tokens": None}, IDS[:30]),
    ],
)
def test_where_long_texts_are_cut(
    client: FlaskClient, http_triton: ScriptedHttpTriton, fields: Any, expected: list[int]
) -> None:
    for given in (LONG, IDS):
        assert post(client, given, **fields).status_code == 200
    assert [row[1:-1] for row in token_rows(http_triton)] == [expected] * 2


@pytest.mark.parametrize("value", [0, -2, 1, 2, 1.5, "7", True])
def test_a_limit_that_leaves_no_token(client: FlaskClient, value: Any) -> None:
    response = post(client, "a", truncate_prompt_tokens=value)
    assert refusal(response) == (400, "truncate_prompt_tokens", None)


def test_without_special_tokens_one_token_is_enough(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    post(client, LONG, truncate_prompt_tokens=1, add_special_tokens=False)
    assert token_rows(http_triton) == [IDS[:1]]


def test_a_fixed_length_cuts_and_pads(client: FlaskClient, http_triton: ScriptedHttpTriton) -> None:
    """The entry says 32 tokens, the model's tensors hold 8."""
    http_triton.config = encoder_config(
        inputs={"input_ids": ("INT64", [8]), "attention_mask": ("INT64", [8])},
        outputs={"last_hidden_state": [8, 3]},
    )
    assert post(client, LONG).json["usage"]["prompt_tokens"] == 8
    assert post(client, "boat").status_code == 200
    assert {batch["input_ids"].shape for batch in http_triton.batches} == {(1, 8)}
    assert token_rows(http_triton)[0][1:-1] == IDS[:6]
    response = post(client, LONG, truncate="none")
    assert refusal(response) == (400, "input", "context_length_exceeded")
    assert "8" in response.json["error"]["message"]
