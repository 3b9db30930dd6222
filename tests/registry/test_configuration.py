"""The configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError, ModelNotFound, ModelNotSupported
from app.registry import EmbeddingSpec, LanguageModelSpec, RerankSpec, Timeouts, read_registry
from app.registry.files import ConfigurationFiles
from app.types import Task
from tests.registry.files import EMBEDDING, INFO, LLM, RERANK, load, paths, problems, write_folder

# Every key that the older openai_api had.
GUIDE = {
    "model_infos": [
        {
            "name": "chatglm2-6b",
            "start_id": -1,
            "end_id": -2,
            "max_len": 32768,
            "bad_words": [[7768, 3908], [1, 2]],
            "stop_words": [[2], [2]],
            "temperature": 0.95,
            "repetition_penalty": 1.0,
            "mask_positions": True,
        }
    ],
    "llm": [
        {
            "name": "chatglm2-6b",
            "url": "192.168.0.1:8001",
            "path": "model",
            "chat_template": "chatglm2.jinja",
        }
    ],
    "embedding": [
        {
            "name": "bge_large_zh_v1_5",
            "url": "192.168.0.1:8000",
            "path": "model",
            "max_tokens": 512,
        }
    ],
    "rerank": [
        {
            "name": "bge-reranker-large",
            "url": "192.168.0.1:8000",
            "path": "model",
            "max_tokens": 512,
            "input_config": [{"name": "input_ids"}, {"name": "attention_mask"}],
            "output_config": {"name": "logits", "process": "normalize"},
        }
    ],
}


@pytest.fixture
def guide(tmp_path: Path) -> Any:
    (tmp_path / "chatglm2.jinja").write_text("{{ messages }}")
    return load(tmp_path, GUIDE)


def test_the_guides_language_model(guide: Any, tmp_path: Path) -> None:
    spec = guide.resolve("chatglm2-6b", Task.GENERATE)
    facts = spec.facts
    assert isinstance(spec, LanguageModelSpec)
    assert (facts.start_id, facts.end_id, facts.max_len) == (-1, -2, 32768)
    assert facts.bad_words == ((7768,), (3908,))
    assert set(facts.stop_words) == {(2,)}
    assert (facts.temperature, facts.repetition_penalty) == (0.95, 1.0)
    assert facts.mask_positions == (-1,)
    assert spec.triton_model == "chatglm2-6b"
    assert spec.urls == ("192.168.0.1:8001",)
    assert spec.chat_template == tmp_path / "chatglm2.jinja"
    assert spec.folder == tmp_path / "model"


def test_the_guides_embedding_model(guide: Any) -> None:
    spec = guide.resolve("bge_large_zh_v1_5", Task.EMBED)
    assert isinstance(spec, EmbeddingSpec)
    assert (spec.max_tokens, spec.output) == (512, None)


def test_the_guides_reranker(guide: Any) -> None:
    spec = guide.resolve("bge-reranker-large", Task.RERANK)
    assert isinstance(spec, RerankSpec)
    assert spec.inputs == {"input_ids": "input_ids", "attention_mask": "attention_mask"}
    assert (spec.output, spec.activation) == ("logits", "normalize")


def test_models_come_in_the_order_of_the_file(guide: Any) -> None:
    assert [spec.name for spec in guide] == [
        "chatglm2-6b",
        "bge_large_zh_v1_5",
        "bge-reranker-large",
    ]
    assert guide.warnings == ()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"llm": [LLM], "model_infos": [INFO]},
        {"embedding": [EMBEDDING]},
        {"rerank": [RERANK]},
        {"llm": None, "rerank": [RERANK], "embedding": []},
    ],
)
def test_any_sections_may_be_left_out(tmp_path: Path, content: Any) -> None:
    assert problems(tmp_path, content) == []


def test_defaults(tmp_path: Path) -> None:
    registry = load(tmp_path, {"llm": [LLM], "model_infos": [INFO]})
    spec = registry.resolve("chat", Task.GENERATE)
    assert spec.backend == "fastertransformer"
    assert spec.timeouts == Timeouts(connect=1, first_token=60, between_tokens=30, total=600)
    assert (spec.max_inflight, spec.max_queue, spec.max_queue_wait) == (256, 256, 2.0)
    assert (spec.cancel, spec.triton_version, spec.trust_remote_code) == (None, "", False)
    assert spec.special_tokens_in_content is False


def test_every_optional_key(tmp_path: Path) -> None:
    more = {
        "backend": "fastertransformer",
        "triton_model": "ft",
        "triton_version": "3",
        "timeouts": {"connect": 2, "first_token": 3, "between_tokens": 4, "total": 5},
        "max_inflight": 1,
        "max_queue": 0,
        "max_queue_wait": 0.5,
        "cancel": "drain",
        "template_kwargs": ["enable_thinking"],
        "special_tokens_in_content": True,
        "trust_remote_code": True,
    }
    info = {**INFO, "top_k": 5, "top_p": 0.5, "max_tokens": 9, "extra_inputs": {"x": 1}}
    spec = load(tmp_path, {"llm": [{**LLM, **more}], "model_infos": [info]}).find("chat")
    assert (spec.triton_model, spec.triton_version) == ("ft", "3")
    assert spec.timeouts == Timeouts(2, 3, 4, 5)
    assert (spec.max_inflight, spec.max_queue, spec.max_queue_wait) == (1, 0, 0.5)
    assert (spec.cancel, spec.template_kwargs) == ("drain", ("enable_thinking",))
    assert (spec.facts.top_k, spec.facts.top_p, spec.facts.max_tokens) == (5, 0.5, 9)
    assert spec.facts.extra_inputs == {"x": 1}


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8001",
        "http://localhost:8001",
        "grpc://10.0.0.1:8001",
        "grpcs://triton.example:443",
        "https://triton.example:443/",
        "[::1]:8001",
        ["localhost:8001"],
    ],
)
def test_addresses(tmp_path: Path, url: Any) -> None:
    assert problems(tmp_path, {"embedding": [{**EMBEDDING, "url": url}]}) == []


@pytest.mark.parametrize(
    "url",
    ["localhost", "localhost:", "localhost:0", "localhost:65536", ":8001", "ftp://x:1", 5, "", []],
)
def test_addresses_that_are_none(tmp_path: Path, url: Any) -> None:
    found = problems(tmp_path, {"embedding": [{**EMBEDDING, "url": url}]})
    assert [problem.path for problem in found] == ["embedding[0].url"]


INPUTS = [
    ({"attention_mask": "mask"}, {"attention_mask": "mask"}),
    (["input_ids", "input_mask"], {"input_ids": "input_ids", "attention_mask": "input_mask"}),
    ([{"name": "segment_ids"}], {"token_type_ids": "segment_ids"}),
    ({"name": "input_ids"}, {"input_ids": "input_ids"}),
]


@pytest.mark.parametrize(("given", "expected"), INPUTS)
def test_input_config(tmp_path: Path, given: Any, expected: Any) -> None:
    registry = load(tmp_path, {"embedding": [{**EMBEDDING, "input_config": given}]})
    assert registry.find("embed").inputs == expected


@pytest.mark.parametrize("process", ["cls", "mean", "none"])
def test_embedding_process(tmp_path: Path, process: str) -> None:
    output = {"name": "x", "process": process}
    spec = load(tmp_path, {"embedding": [{**EMBEDDING, "output_config": output}]}).find("embed")
    assert (spec.output, spec.pooling) == ("x", process)


@pytest.mark.parametrize("process", ["normalize", "softmax", "none"])
def test_rerank_process(tmp_path: Path, process: str) -> None:
    entry = {**RERANK, "output_config": {"process": process}}
    assert load(tmp_path, {"rerank": [entry]}).find("rank").activation == process


# ---- mistakes

BAD = [
    ([], "the file"),
    ({"lm": []}, "lm"),
    ({"llm": {}}, "llm"),
    ({"llm": [5]}, "llm[0]"),
    ({"llm": [{**LLM, "ulr": "x"}], "model_infos": [INFO]}, "llm[0].ulr"),
    ({"llm": [{**LLM, "name": ""}]}, "llm[0].name"),
    ({"llm": [{**LLM, "path": "absent"}], "model_infos": [INFO]}, "llm[0].path"),
    ({"llm": [{**LLM, "chat_template": "no"}], "model_infos": [INFO]}, "llm[0].chat_template"),
    ({"llm": [{**LLM, "backend": "onnx"}], "model_infos": [INFO]}, "llm[0].backend"),
    ({"llm": [{**LLM, "cancel": "never"}], "model_infos": [INFO]}, "llm[0].cancel"),
    (
        {"llm": [{**LLM, "timeouts": {"connect": 0}}], "model_infos": [INFO]},
        "llm[0].timeouts.connect",
    ),
    (
        {"llm": [{**LLM, "timeouts": {"conect": 1}}], "model_infos": [INFO]},
        "llm[0].timeouts.conect",
    ),
    ({"llm": [{**LLM, "max_inflight": 0}], "model_infos": [INFO]}, "llm[0].max_inflight"),
    ({"llm": [LLM]}, "llm[0]"),
    ({"model_infos": [{**INFO, "max_len": 0}]}, "model_infos[0].max_len"),
    ({"model_infos": [{**INFO, "end_id": 2**32}]}, "model_infos[0].end_id"),
    ({"model_infos": [{**INFO, "temperature": 2.5}]}, "model_infos[0].temperature"),
    ({"model_infos": [{**INFO, "bad_words": [[1, "x"]]}]}, "model_infos[0].bad_words[0][1]"),
    ({"model_infos": [{**INFO, "stop_words": [5]}]}, "model_infos[0].stop_words[0]"),
    ({"model_infos": [{**INFO, "extra_inputs": {"x": "y"}}]}, "model_infos[0].extra_inputs.x"),
    ({"model_infos": [{**INFO, "extra_inputs": {"x": 2**70}}]}, "model_infos[0].extra_inputs.x"),
    ({"llm": [{**LLM, "url": "localhost:800\u00b2"}], "model_infos": [INFO]}, "llm[0].url"),
    ({"embedding": [{**EMBEDDING, "max_tokens": 0}]}, "embedding[0].max_tokens"),
    (
        {"embedding": [{**EMBEDDING, "output_config": {"process": "max"}}]},
        "embedding[0].output_config.process",
    ),
    ({"embedding": [{**EMBEDDING, "input_config": ["x"]}]}, "embedding[0].input_config"),
    ({"embedding": [{**EMBEDDING, "token_input": "x"}]}, "embedding[0].token_input"),
    ({"embedding": [{**EMBEDDING, "normalize": 1}]}, "embedding[0].normalize"),
    (
        {"rerank": [{**RERANK, "output_config": {"process": "cls"}}]},
        "rerank[0].output_config.process",
    ),
]


@pytest.mark.parametrize(("content", "path"), BAD)
def test_a_mistake_is_told_once_with_its_path(tmp_path: Path, content: Any, path: str) -> None:
    (problem,) = problems(tmp_path, content)
    assert problem.path == path
    assert problem.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    content = {
        "lm": [],
        "model_infos": [{**INFO, "max_len": 0}],
        "llm": [{**LLM, "url": "x", "ulr": "y"}, {"name": "b"}],
        "embedding": [{**EMBEDDING, "path": "absent"}],
        "rerank": [{**RERANK, "max_tokens": "x"}],
    }
    assert set(paths(tmp_path, content)) == {
        "lm",
        "model_infos[0].max_len",
        "llm[0].url",
        "llm[0].ulr",
        "llm[1].url",
        "llm[1].path",
        "embedding[0].path",
        "rerank[0].max_tokens",
    }


def test_an_unknown_key_says_which_are_known(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"embedding": [{**EMBEDDING, "max_token": 5}]})
    assert "max_tokens" in problem.message


DUPLICATES = [
    ({"embedding": [EMBEDDING, EMBEDDING]}, "embedding[1].name"),
    ({"embedding": [EMBEDDING], "rerank": [{**RERANK, "name": "embed"}]}, "rerank[0].name"),
    ({"llm": [LLM], "model_infos": [INFO, INFO]}, "model_infos[1].name"),
]


@pytest.mark.parametrize(("content", "path"), DUPLICATES)
def test_a_name_used_twice_is_told_with_its_path(tmp_path: Path, content: Any, path: str) -> None:
    (problem,) = problems(tmp_path, content)
    assert problem.path == path
    assert "name" in problem.message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ('{"llm": [}', "line 1, column"),
        (b"\xff\xfe{}", "UTF-8"),
        ("", "is not JSON"),
        ("[" * 100_000, ""),
        ('{"model_infos": [{"name": "x", "max_len": 1%s}]}' % ("0" * 400), ""),
        ('{"model_infos": [{"name": "x", "max_len": 1%s}]}' % ("0" * 5000), ""),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(
    tmp_path: Path, content: Any, words: str
) -> None:
    (problem,) = problems(tmp_path, content)
    assert words in str(problem)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.json: cannot be read"):
        read_registry(tmp_path / "absent.json", tmp_path, ConfigurationFiles())


def test_a_description_without_a_model_is_a_warning(tmp_path: Path) -> None:
    (warning,) = load(tmp_path, {"model_infos": [INFO]}).warnings
    assert "chat" in warning


# ---- templates and folders


@pytest.mark.parametrize("place", ["beside the file", "of the server", "absolute"])
def test_where_templates_are_looked_for(tmp_path: Path, place: str) -> None:
    write_folder(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    folder = tmp_path if place == "beside the file" else own
    (folder / "x.jinja").write_text("x")
    name = str(folder / "x.jinja") if place == "absolute" else "x.jinja"
    registry = load(tmp_path, {"llm": [{**LLM, "chat_template": name}], "model_infos": [INFO]})
    assert registry.find("chat").chat_template == folder / "x.jinja"


def test_a_template_beside_the_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for folder in (tmp_path, tmp_path / "own"):
        (folder / "x.jinja").write_text("x")
    registry = load(tmp_path, {"llm": [{**LLM, "chat_template": "x.jinja"}], "model_infos": [INFO]})
    assert registry.find("chat").chat_template == tmp_path / "x.jinja"


def test_facts_come_from_the_folder(tmp_path: Path) -> None:
    write_folder(
        tmp_path,
        config={"bos_token_id": 5, "eos_token_id": 6, "max_position_embeddings": 77},
    )
    facts = load(tmp_path, {"llm": [LLM]}).find("chat").facts
    assert (facts.start_id, facts.end_id, facts.end_ids, facts.max_len) == (5, 6, (), 77)


def test_several_ends_of_the_folder(tmp_path: Path) -> None:
    write_folder(
        tmp_path,
        config={"bos_token_id": 5, "eos_token_id": 6, "seq_length": 77},
        generation_config={"eos_token_id": [8, 9, 10]},
    )
    facts = load(tmp_path, {"llm": [LLM]}).find("chat").facts
    assert (facts.end_id, facts.end_ids) == (8, (9, 10))


def test_the_file_comes_before_the_folder(tmp_path: Path) -> None:
    write_folder(
        tmp_path,
        config={"bos_token_id": 5, "eos_token_id": [6, 7], "max_position_embeddings": 77},
    )
    facts = load(tmp_path, {"llm": [LLM], "model_infos": [INFO]}).find("chat").facts
    assert (facts.start_id, facts.end_id, facts.end_ids, facts.max_len) == (1, 2, (), 100)


def test_a_description_may_leave_facts_to_the_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, config={"eos_token_id": [6, 7], "max_position_embeddings": 77})
    content = {"llm": [LLM], "model_infos": [{"name": "chat", "temperature": 0.5}]}
    facts = load(tmp_path, content).find("chat").facts
    assert (facts.end_id, facts.end_ids, facts.max_len, facts.temperature) == (6, (7,), 77, 0.5)


@pytest.mark.parametrize("content", ["[]", "null", "5", "{", '"x"'])
def test_a_folder_whose_facts_cannot_be_read(tmp_path: Path, content: str) -> None:
    write_folder(tmp_path, config=content, generation_config=content, tokenizer_config=content)
    assert paths(tmp_path, {"llm": [LLM]}) == ["llm[0]"]
    assert paths(tmp_path, {"embedding": [EMBEDDING]}) == []


def test_pooling_comes_from_the_folder(tmp_path: Path) -> None:
    write_folder(
        tmp_path,
        **{"1_Pooling__config": {"pooling_mode_mean_tokens": True}},
        modules=[{"type": "sentence_transformers.models.Transformer"}],
        sentence_bert_config={"max_seq_length": 128},
    )
    spec = load(tmp_path, {"embedding": [EMBEDDING]}).find("embed")
    assert (spec.pooling, spec.is_normalized, spec.max_tokens) == ("mean", False, 128)


def test_a_folder_with_a_normalize_module(tmp_path: Path) -> None:
    write_folder(tmp_path, modules=[{"type": "sentence_transformers.models.Normalize"}])
    assert load(tmp_path, {"embedding": [EMBEDDING]}).find("embed").is_normalized


def test_the_entry_comes_before_the_folder(tmp_path: Path) -> None:
    write_folder(tmp_path, **{"1_Pooling__config": {"pooling_mode_mean_tokens": True}})
    entry = {
        **EMBEDDING,
        "max_tokens": 9,
        "normalize": False,
        "output_config": {"process": "cls"},
    }
    spec = load(tmp_path, {"embedding": [entry]}).find("embed")
    assert (spec.pooling, spec.is_normalized, spec.max_tokens) == ("cls", False, 9)


# ---- finding models


def test_an_unknown_model(guide: Any) -> None:
    with pytest.raises(ModelNotFound) as caught:
        guide.find("nope")
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    ("name", "task", "endpoint"),
    [
        ("bge_large_zh_v1_5", Task.GENERATE, "/v1/embeddings"),
        ("bge-reranker-large", Task.EMBED, "/v1/rerank"),
        ("chatglm2-6b", Task.RERANK, "/v1/chat/completions"),
    ],
)
def test_a_model_of_another_kind(guide: Any, name: str, task: Task, endpoint: str) -> None:
    with pytest.raises(ModelNotSupported) as caught:
        guide.resolve(name, task)
    error = caught.value
    assert (error.status, error.code, error.param) == (400, "model_not_supported", "model")
    assert endpoint in error.message
