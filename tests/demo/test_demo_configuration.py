"""The configuration that `python -m demo` gives the gateway."""

import json

import pytest

from demo.configuration import configuration_file, own_models

CONFIGURATION = {
    "llm": [
        {"name": "demo-chat", "url": "localhost:8001", "path": "demo-chat", "chat_template": "x"}
    ],
    "embedding": [{"name": "all-minilm-l6-v2", "url": "http://localhost:8000", "path": "."}],
    "rerank": [{"name": "r", "url": "triton.example:9000", "path": "missing"}],
    "model_infos": [{"name": "demo-chat"}],
}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "demo-chat").mkdir()
    path = tmp_path / "model_config.json"
    path.write_text(json.dumps(CONFIGURATION))
    return path


def test_the_default_ports_use_the_file_itself(source):
    with configuration_file({8000: 8000, 8001: 8001}, source) as path:
        assert path == source


def test_other_ports_are_put_into_a_copy_that_finds_its_files(source):
    with configuration_file({8000: 1, 8001: 2, 8002: 3}, source) as path:
        content = json.loads(path.read_text())
        assert content["llm"][0]["url"] == "localhost:2"
        assert content["llm"][0]["path"] == str(source.parent / "demo-chat")
        assert content["llm"][0]["chat_template"] == "x"
        assert content["embedding"][0]["url"] == "http://localhost:1"
        assert content["rerank"][0] == CONFIGURATION["rerank"][0]
        assert content["model_infos"] == CONFIGURATION["model_infos"]
    assert not path.exists()


DEMO_GRPC = {8001: 2}
MOVED = [
    ("localhost:8001", "demo-chat", "localhost:2"),
    ("127.0.0.1:8001", "demo-chat", "127.0.0.1:2"),
    ("grpc://[::1]:8001", "demo-chat", "grpc://[::1]:2"),
    (["localhost:8001"], "demo-chat", ["localhost:2"]),
    ("localhost:8001", "my-model", "localhost:2"),
    (["localhost:8001", "gpu-box:8001"], "demo-chat", ["localhost:2", "gpu-box:8001"]),
    # Another Triton, another port of this machine.
    ("gpu-box:8001", "demo-chat", "gpu-box:8001"),
    ("192.168.0.1:8001", "demo-chat", "192.168.0.1:8001"),
    ("localhost:9001", "demo-chat", "localhost:9001"),
    ("localhost:", "demo-chat", "localhost:"),
]
OWN = [
    ("localhost:8001", "demo-chat", True),
    (["127.0.0.1:8001", "[::1]:8001"], "demo-chat", True),
    ("localhost:8001", "my-model", False),
    ("localhost:9001", "demo-chat", False),
    (["localhost:8001", "gpu-box:8001"], "demo-chat", False),
]


@pytest.mark.parametrize(("url", "model", "moved"), MOVED)
@pytest.mark.parametrize("key", ["name", "triton_model"])
def test_addresses_at_the_default_ports_of_this_machine_move(tmp_path, url, model, moved, key):
    entry = {"name": "mine", "url": url, "path": ".", key: model}
    source = tmp_path / "models.json"
    source.write_text(json.dumps({"llm": [entry]}))
    with configuration_file(DEMO_GRPC, source) as path:
        assert json.loads(path.read_text())["llm"][0]["url"] == moved


@pytest.mark.parametrize(("url", "model", "is_own"), OWN)
@pytest.mark.parametrize("key", ["name", "triton_model"])
def test_the_demos_own_models_are_those_of_its_triton(tmp_path, url, model, is_own, key):
    entry = {"name": "mine", "url": url, "path": ".", key: model}
    source = tmp_path / "models.json"
    source.write_text(json.dumps({"llm": [entry]}))
    assert own_models(source) == ({entry["name"]} if is_own else set())


def test_the_real_configuration_is_the_demos_own():
    assert own_models() == {"demo-chat", "all-minilm-l6-v2", "minilm-reranker"}


BROKEN = ["{", "[]", '{"llm": 5}', '{"llm": [5]}', '{"llm": [{"name": "demo-chat", "url": 5}]}']


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_file_is_left_to_the_gateway(tmp_path, text):
    source = tmp_path / "models.json"
    source.write_text(text)
    with configuration_file({8001: 2}, source) as path:
        assert path == source
    assert own_models(source) == set()


def test_an_entry_without_an_address_is_left_as_it_is(tmp_path):
    source = tmp_path / "models.json"
    source.write_text('{"llm": [{"name": "a"}]}')
    with configuration_file({8001: 2}, source) as path:
        assert json.loads(path.read_text()) == {
            "llm": [{"name": "a"}],
            "embedding": [],
            "rerank": [],
        }
