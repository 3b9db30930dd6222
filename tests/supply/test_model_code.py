"""A model folder's own code runs only if that model's entry allows it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.errors import ConfigurationError
from app.prompting.tokenizers import TokenizerLoadError, load_tokenizer
from tests.applications import build_application, standard_configuration
from tests.tokenizers.cached import folder

NOBODY = "127.0.0.1:1"
CLASSES = {"AutoConfig": "own.Own", "AutoModel": "own.Own"}
# Every way of naming a tokenizer's own class: what tokenizer_config.json and config.json say.
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "slow and fast": ({"auto_map": {"AutoTokenizer": ["own.Own", None]}}, {}),
    "fast": ({"auto_map": {"AutoTokenizer": [None, "own.Own"]}}, {}),
    "one": ({"auto_map": {"AutoTokenizer": "own.Own"}}, {}),
    "legacy": ({"auto_map": ["own.Own", None]}, {}),
    "in config.json": (
        {"tokenizer_class": None},
        {"auto_map": {**CLASSES, "AutoTokenizer": ["own.Own", None]}},
    ),
    "with the model's": (
        {"auto_map": {"AutoTokenizer": ["own.Own", None]}},
        {"auto_map": CLASSES, "model_type": "own"},
    ),
}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "a"}]},
    "/v1/completions": {"prompt": "a"},
    "/v1/responses": {"input": "a"},
    "/v1/messages": {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1},
    "/v1/embeddings": {"input": "a"},
    "/v2/embed": {"texts": ["a"], "embedding_types": ["float"]},
    "/v1/rerank": {"query": "a", "documents": ["a"]},
    "/v1/score": {"text_1": "a", "text_2": "a"},
    "/tokenize": {"prompt": "a"},
    "/detokenize": {"tokens": [1]},
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A good folder, with a Python file that leaves a trace when it is run."""
    target = tmp_path / "model"
    shutil.copytree(folder("byte_level_bpe"), target)
    (target / "own.py").write_text(f"open({str(trace_of(target))!r}, 'w').close()\nclass Own: 0\n")
    return target


def trace_of(model: Path) -> Path:
    return model.with_name("ran")


def say(model: Path, name: str, words: dict[str, Any]) -> None:
    """Add keys to a JSON file of the folder."""
    file = model / name
    content = json.loads(file.read_text()) if file.is_file() else {}
    file.write_text(json.dumps({**content, **words}))


@pytest.mark.parametrize("way", WAYS)
def test_its_code_is_refused_and_does_not_run(model: Path, way: str) -> None:
    for name, words in zip(("tokenizer_config.json", "config.json"), WAYS[way], strict=True):
        say(model, name, words)
    with pytest.raises(TokenizerLoadError, match='"trust_remote_code": true') as caught:
        load_tokenizer(model)
    assert "own.Own" in str(caught.value)
    assert not trace_of(model).exists()
    with pytest.raises(TokenizerLoadError, match="cannot be loaded"):
        load_tokenizer(model, trust_remote_code=True)
    assert trace_of(model).exists()


@pytest.mark.parametrize("is_trusted", [False, True])
def test_a_models_other_code_never_runs(model: Path, is_trusted: bool) -> None:
    """Those of its configuration and its network, which only whoever runs the model needs."""
    say(model, "config.json", {"auto_map": CLASSES, "model_type": "own"})
    load_tokenizer(model, trust_remote_code=is_trusted)
    assert not trace_of(model).exists()


@pytest.mark.parametrize("is_trusted", [False, True])
@pytest.mark.parametrize("place", ["someone/model", "{model}"])
def test_code_of_another_folder_is_always_refused(
    model: Path, tmp_path: Path, place: str, is_trusted: bool
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    code = f"{place.format(model=other)}--own.Own"
    say(model, "tokenizer_config.json", {"auto_map": {"AutoTokenizer": [code, None]}})
    with pytest.raises(TokenizerLoadError, match="outside its folder"):
        load_tokenizer(model, trust_remote_code=is_trusted)
    assert not trace_of(model).exists()


def test_the_server_does_not_start_with_it(model: Path, tmp_path: Path) -> None:
    """Nor does the permission of one entry hold for another with the same folder."""
    say(model, "tokenizer_config.json", WAYS["one"][0])
    content = standard_configuration(NOBODY, NOBODY)
    content["embedding"][0] |= {"path": str(folder("chatglm2")), "trust_remote_code": True}
    content["rerank"][0] |= {"path": str(folder("chatglm2"))}
    content["llm"][0] |= {"path": str(model)}
    with pytest.raises(ConfigurationError) as caught:
        build_application(tmp_path, content)
    found = {problem.path: problem.message for problem in caught.value.problems}
    assert found.keys() == {"llm[0].path", "rerank[0].path"}
    assert all('"trust_remote_code": true' in message for message in found.values())
    assert not trace_of(model).exists()


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_requests_model_name_opens_no_file(
    shared_client: FlaskClient, model: Path, tmp_path: Path, path: str
) -> None:
    say(model, "tokenizer_config.json", WAYS["one"][0])
    names = [str(model), f"../../../../../../../..{model}", f"file://{model}", "someone/model"]
    with Watch() as watch:
        for name in names:
            answer = shared_client.post(path, json={**ENDPOINTS[path], "model": name})
            assert answer.status_code == 404, answer.text
    assert [event for event in watch.events if "model" in event] == []


class Watch:
    """What the interpreter is asked to open, import, run or resolve."""

    events: list[str]
    is_on = False

    def __enter__(self) -> Watch:
        self.events, self.is_on = [], True
        # Such a hook stays as long as the process does: it only looks while it is asked to.
        sys.addaudithook(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_on = False

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on and event in WATCHED:
            self.events.append(f"{event} {arguments!r}")


WATCHED = {"open", "import", "exec", "os.listdir", "os.scandir", "socket.getaddrinfo"}


def test_the_watch_sees_a_loader(model: Path) -> None:
    with Watch() as watch:
        load_tokenizer(model)
    assert [event for event in watch.events if str(model) in event]
