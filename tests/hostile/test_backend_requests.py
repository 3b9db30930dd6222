"""What a request may make of the prompt and of the request to Triton: nothing but what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.applications import EMBEDDING, LLM, build_application, standard_configuration
from tests.hostile.injection import TEMPLATES
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton, sent
from tests.tokenizers.cached import tokenizer


@pytest.fixture
def client(shared_client: FlaskClient) -> FlaskClient:
    return shared_client


RESERVED = (
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "binary_data_output",
    "headers",
    "triton_enable_empty_final_response",
    "triton_final_response",
    "triton_x",
)
ELSEWHERE = "http://169.254.169.254/latest/meta-data"
HOSTS = ("api_base", "base_url", "url", "model_url", "endpoint", "backend", "triton_model", "path")
STRANGE: dict[str, Any] = {
    **dict.fromkeys(RESERVED, 7),
    **dict.fromkeys(HOSTS, ELSEWHERE),
    "parameters": dict.fromkeys((*RESERVED, *HOSTS), ELSEWHERE),
    "extra_body": {"api_base": ELSEWHERE},
    "metadata": {"api_base": ELSEWHERE},
    "litellm_params": {"api_base": ELSEWHERE},
}
PLAIN: dict[str, dict[str, Any]] = {
    "/v1/completions": {"model": LLM, "prompt": "a", "seed": 1},
    "/v1/chat/completions": {
        "model": LLM,
        "messages": [{"role": "user", "content": "a"}],
        "seed": 1,
    },
    "/v1/responses": {"model": LLM, "input": "a", "seed": 1},
    "/v1/embeddings": {"model": EMBEDDING, "input": "a"},
}
HEADERS = {
    **dict.fromkeys(("X-Api-Base", "X-Forwarded-Host", "X-Model-Url"), ELSEWHERE),
    "triton-grpc-protocol": "x",
    "triton_grpc_error": "false",
}


def allowed(path: str, client: FlaskClient, body: dict[str, Any]) -> dict[str, Any]:
    """The body with all that is strange, but for what is refused by its name."""
    strange = dict(STRANGE)
    while True:
        response = client.post(path, json={**strange, **body}, headers=HEADERS)
        if response.status_code == 200:
            return strange
        param = response.json["error"]["param"]
        assert response.json["error"]["code"] == "unsupported_parameter", response.json
        del strange[param]


LANGUAGE_PATHS = [path for path in PLAIN if path != "/v1/embeddings"]


@pytest.mark.parametrize("path", LANGUAGE_PATHS)
def test_no_field_or_header_reaches_triton_unless_it_is_known(
    client: FlaskClient, triton: ScriptedTriton, path: str
) -> None:
    strange = allowed(path, client, PLAIN[path])
    assert len(strange) > 10
    triton.requests.clear()
    triton.metadata.clear()
    assert client.post(path, json=PLAIN[path]).status_code == 200
    assert client.post(path, json={**strange, **PLAIN[path]}, headers=HEADERS).status_code == 200
    one, other = triton.requests
    assert sent(one) == sent(other)
    assert dict(one.parameters) == dict(other.parameters)
    assert (one.model_name, one.model_version) == (other.model_name, other.model_version)
    assert triton.metadata[0].keys() == triton.metadata[1].keys()


def test_no_field_or_header_reaches_an_encoder(
    client: FlaskClient, http_triton: ScriptedHttpTriton
) -> None:
    path, plain = "/v1/embeddings", PLAIN["/v1/embeddings"]
    strange = allowed(path, client, plain)
    http_triton.heads.clear()
    client.post(path, json=plain)
    client.post(path, json={**strange, **plain}, headers=HEADERS)
    one, other = ({key: head[key] for key in head if key != "id"} for head in http_triton.heads)
    assert one == other


# ---- templates


@pytest.fixture
def roomy_client(tmp_path: Path, triton: ScriptedTriton) -> FlaskClient:
    """A language model whose context holds every template."""
    content = standard_configuration(triton.address, triton.address, max_len=2048)
    return build_application(tmp_path, {**content, "embedding": [], "rerank": []}).test_client()


def chat(client: FlaskClient, **fields: Any) -> Any:
    body = {"model": LLM, "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
    return client.post("/v1/chat/completions", json={**body, **fields})


def test_a_template_in_a_message_is_text(roomy_client: FlaskClient, triton: ScriptedTriton) -> None:
    for payload in TEMPLATES:
        for role in ("system", "user", "assistant", "tool"):
            messages = [{"role": role, "content": payload, "name": payload}]
            if role == "tool":
                messages[0]["tool_call_id"] = payload
            assert chat(roomy_client, messages=messages).status_code == 200
            (ids,) = sent(triton.requests[-1])["input_ids"][1]
            assert payload in tokenizer("byte_level_bpe").decode(ids), (payload, role)


FIELDS: dict[str, Any] = {
    "messages[0].role": lambda text: {"messages": [{"role": text, "content": "a"}]},
    "tools[0].function.name": lambda text: {
        "tools": [{"type": "function", "function": {"name": text}}]
    },
    "model": lambda text: {"model": text},
    "chat_template": lambda text: {"chat_template": text},
    "chat_template_kwargs": lambda text: {"chat_template_kwargs": {"x": text}},
    "tool_choice": lambda text: {"tool_choice": text},
    "response_format": lambda text: {"response_format": {"type": text}},
}


@pytest.mark.parametrize("param", FIELDS)
def test_a_template_elsewhere_is_refused(
    roomy_client: FlaskClient, triton: ScriptedTriton, param: str
) -> None:
    for payload in TEMPLATES:
        response = chat(roomy_client, **FIELDS[param](payload))
        assert response.status_code == (404 if param == "model" else 400)
        assert response.json["error"]["param"].startswith(param)
    assert not triton.requests
