"""What the code must not do at all, found in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from tests.live.servers import PROJECT

APP = PROJECT / "app"
FILES = sorted(path.relative_to(PROJECT).as_posix() for path in APP.rglob("*.py"))


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((PROJECT / name).read_text())


@cache
def calls(name: str) -> list[tuple[str, ast.Call]]:
    """Every call with the name that is called: `f` or `m.f`, without what is before."""
    nodes = (node for node in ast.walk(tree(name)) if isinstance(node, ast.Call))
    return [(ast.unparse(node.func), node) for node in nodes]


def imports(name: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


# What makes code of data, or programs of text.
EXECUTING = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "execfile"}
DESERIALISING = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "yaml"}
# Who may start programs: the command line alone, whose arguments are an operator's.
STARTING = {"subprocess", "multiprocessing", "pty"}
STARTERS = ("app/commands/serve.py", "app/commands/demo.py")


def test_no_data_becomes_code() -> None:
    for name in FILES:
        assert not [called for called, _ in calls(name) if called in EXECUTING], name
        assert not imports(name) & DESERIALISING, name
        if not name.startswith(STARTERS):
            assert not imports(name) & STARTING, name
            assert not [called for called, _ in calls(name) if called.startswith("os.exec")], name


RENDERING = {
    "from_string",
    "Template",
    "Environment",
    "SandboxedEnvironment",
    "ImmutableSandboxedEnvironment",
    "_compile_jinja_template",
    "render_jinja_template",
    "apply_chat_template",
    "render_template_string",
}


def test_there_is_one_place_that_renders_templates() -> None:
    """LiteLLM's and SGLang's second renderers were their holes."""
    renders = {
        name
        for name in FILES
        for called, _ in calls(name)
        if called.rpartition(".")[2] in RENDERING
    }
    assert renders == {"app/prompting/chat_templates.py"}


NUMPY_SIZES = {"zeros", "ones", "empty", "full", "tile", "repeat", "arange", "broadcast_to"}
# Each was looked at: what its size comes from.
SIZED_ARRAYS = {
    "app/backends/encoder_batches.py: np.full((len(rows), width), filling, np.int64)": (
        "a batch of rows that are there, none longer than the model takes"
    ),
    "app/backends/encoder_batches.py: np.arange(width)": "the width of those rows",
    "app/backends/fastertransformer_inputs.py: np.repeat(row, num_rows, axis=0)": (
        "a row for each answer of a call, 128 at most"
    ),
    "app/backends/fastertransformer_inputs.py: np.zeros((len(items), longest), np.int64)": (
        "prompts that are there, none longer than the context"
    ),
    "app/backends/tensorrt_llm_tokens.py: np.zeros(size, np.float32)": "the model's vocabulary",
    "app/backends/word_lists.py: np.zeros((1, 2, width), np.int32)": "ids that are there",
    "app/triton/http_answers.py: np.empty(size, np.uint8)": (
        "what Triton says its answer has, at most 512 MiB"
    ),
    "app/triton/tensors.py: np.empty(texts.size, object)": "texts that are there",
    "app/triton/tensors.py: np.empty(len(items), object)": "texts that are there",
}


def test_the_sizes_of_arrays_were_looked_at() -> None:
    """A size from a request that nobody has checked is memory without bounds (vLLM's lesson)."""
    found = {
        f"{name}: {ast.unparse(node)}"
        for name in FILES
        for called, node in calls(name)
        if called.startswith("np.") and called.removeprefix("np.") in NUMPY_SIZES
    }
    assert found == set(SIZED_ARRAYS)


# A quantifier around a group that has one itself, and may begin where it ends.
NESTED = re.compile(r"\((?:[^()\\]|\\.)*[*+](?:[^()\\]|\\.)*\)(?:[*+]|\{\d*,\d*\})(?!\+)")


def patterns(name: str) -> Iterator[str]:
    for called, node in calls(name):
        if called in {"re.compile", "re.fullmatch", "re.match", "re.search", "re.sub"}:
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, (str, bytes)):
                    value = part.value
                    yield value.decode() if isinstance(value, bytes) else value


def test_no_regular_expression_can_take_for_ever() -> None:
    """A possessive quantifier takes no second look, and may hold others."""
    assert not [
        f"{name}: {each}" for name in FILES for each in patterns(name) if NESTED.search(each)
    ]


def test_the_detector_of_nested_quantifiers_finds_one() -> None:
    assert NESTED.search(r"(a+)+")
    assert NESTED.search(r"(?:\d+,?)*x")
    assert not NESTED.search(r"(?:ab)+")
    assert not NESTED.search(r"(?:a+b)*+")


def test_requests_name_no_files_or_hosts() -> None:
    """Nothing above the registry opens addresses or files."""
    for name in FILES:
        if name.startswith(("app/blueprints/", "app/schemas/", "app/services/", "app/prompting/")):
            used = imports(name) & {"urllib", "http", "socket", "requests", "httpx"}
            assert not used, (name, used)


def test_every_call_to_triton_has_a_deadline() -> None:
    """What opens a call takes its seconds as an argument without a default, and passes them on."""
    openers = []
    for path in sorted((APP / "triton").rglob("*.py")):
        for node in ast.walk(tree(path.relative_to(PROJECT).as_posix())):
            if isinstance(node, ast.FunctionDef) and node.name in {"ask", "start"}:
                names = [arg.arg for arg in node.args.args]
                required = names[: len(names) - len(node.args.defaults)]
                openers.append({"timeout", "limit", "expires_at"} & set(required))
            # grpcio's callables: channel.unary_unary(path)(message, timeout=…)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Call):
                called = ast.unparse(node.func.func).rpartition(".")[2]
                if called in {"unary_unary", "unary_stream", "stream_unary", "stream_stream"}:
                    openers.append({keyword.arg for keyword in node.keywords} & {"timeout"})
    assert len(openers) >= 7
    assert all(openers)
