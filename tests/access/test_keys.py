"""Keys are digests; how they are read and found."""

from __future__ import annotations

import ast
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.keys import MAX_KEYS, ApiKey, Limits, find_key, parse_keys
from app.errors import ConfigurationError
from app.key_digests import read_keys

NO_LIMITS = Limits()
DEFAULTS = Limits(requests_per_minute=60, tokens_per_minute=1000, concurrent_requests=4)
DIGEST = hashlib.sha256(b"sk-hashed").hexdigest()

keys_of_any_kind = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","),
    min_size=1,
    max_size=64,
).filter(lambda key: not key.startswith(("#", "sha256:")))


def parse(text: str, defaults: Limits = NO_LIMITS) -> tuple[ApiKey, ...]:
    return parse_keys(text, "keys.txt", defaults)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_of_every_form() -> None:
    first, second, third, fourth = parse(
        "# who may ask\n"
        "\n"
        "sk-plain\n"
        f"sha256:{DIGEST.upper()} name=ci\r\n"
        "  sk-team\tname=team@1 requests_per_minute=5 tokens_per_minute=7 concurrent_requests=2\n"
        "sk-free requests_per_minute=none tokens_per_minute=none concurrent_requests=none",
        DEFAULTS,
    )
    assert (first.name, first.limits) == ("line-3", DEFAULTS)
    assert (second.name, second.digest.hex()) == ("ci", DIGEST)
    assert (third.name, third.limits) == ("team@1", Limits(5, 7, 2))
    assert (fourth.name, fourth.limits) == ("line-6", NO_LIMITS)


@given(st.lists(keys_of_any_kind, min_size=1, max_size=8, unique=True), st.data())
def test_only_the_very_keys_are_found(texts: list[str], data: st.DataObject) -> None:
    keys = parse("\n".join(texts))
    for text, key in zip(texts, keys, strict=True):
        assert find_key(keys, text.encode()) is key
    other = data.draw(keys_of_any_kind.filter(lambda text: text not in texts))
    near = (other, texts[0][:-1], texts[0] + "x", texts[0].swapcase(), "sha256:" + texts[0])
    for text in set(near) - set(texts):
        assert find_key(keys, text.encode()) is None


def test_the_digest_itself_lets_nobody_in() -> None:
    keys = parse(f"sha256:{DIGEST}")
    assert find_key(keys, b"sk-hashed") is keys[0]
    for presented in (DIGEST.encode(), f"sha256:{DIGEST}".encode(), bytes.fromhex(DIGEST), b""):
        assert find_key(keys, presented) is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sha256:abc", "a hashed key must be sha256: and 64 hexadecimal digits"),
        (f"sha256:{DIGEST}0", "a hashed key must be sha256: and 64 hexadecimal digits"),
        ("sk-gehéim", "visible ASCII"),
        ("sk-a,sk-b", "without space and comma"),
        ("x" * 513, "1 to 512"),
        ("sk-a sk-b", "behind the key only these may stand: name=…, requests_per_minute=…"),
        ("sk-a sk-b=1", "behind the key only these may stand"),
        ("sk-a requests_per_minute=0", "requests_per_minute must be a whole number, 1 or more"),
        ("sk-a tokens_per_minute=-1", "tokens_per_minute must be a whole number"),
        ("sk-a tokens_per_minute=٣", "tokens_per_minute must be a whole number"),
        ("sk-a concurrent_requests=1.5", "concurrent_requests must be a whole number"),
        ("sk-a concurrent_requests=" + "9" * 5000, "must be a whole number"),
        ("sk-a name=", "name must have 1 to 64 of"),
        ("sk-a name=a name=b", "name is here twice"),
        ("sk-first", "the key of line 1 is here again"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_without_the_key(line: str, told: str) -> None:
    (problem,) = problems(f"sk-first\n# a comment\n{line}\n")
    assert problem.startswith("keys.txt, line 3: ")
    assert told in problem
    assert "sk-" not in problem
    assert "xxx" not in problem
    assert DIGEST not in problem


def test_all_mistakes_are_told_at_once() -> None:
    assert [each.split(":")[0] for each in problems("a b\nsk-a\nc name=\n")] == [
        "keys.txt, line 1",
        "keys.txt, line 3",
    ]


def test_there_is_a_bound() -> None:
    lines = "\n".join(f"k{number}" for number in range(MAX_KEYS + 1))
    assert problems(lines) == ["keys.txt: has more than 10,000 keys"]


def test_a_key_is_not_kept() -> None:
    """Neither in what it becomes nor in how that is printed."""
    (key,) = parse("sk-secret name=a")
    assert "sk-secret" not in repr(key)
    assert key.digest.hex() not in repr(key)
    assert read_keys("sk-secret , sk-other") == (
        hashlib.sha256(b"sk-secret").digest(),
        hashlib.sha256(b"sk-other").digest(),
    )


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, also behind the one that fits."""
    compared: list[tuple[Any, Any]] = []
    compare = hmac.compare_digest

    def noted(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    keys = parse("sk-a\nsk-b\nsk-c")
    for presented in (b"sk-a", b"sk-c", b"nothing"):
        compared.clear()
        find_key(keys, presented)
        digest = hashlib.sha256(presented).digest()
        assert compared == [(key.digest, digest) for key in keys]


def test_nothing_else_compares_a_key() -> None:
    """One `compare_digest`, and no `==`, `in` or look-up with what was presented."""
    source = Path(find_key.__code__.co_filename).read_text()
    (function,) = (
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.name == "find_key"
    )
    calls = [ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)]
    assert sorted(calls) == ["digest_of", "hmac.compare_digest"]
    assert not any(
        isinstance(node, ast.Compare | ast.Subscript | ast.Break | ast.Match)
        for node in ast.walk(ast.Module(function.body, []))
    )
    assert sum(isinstance(node, ast.Return) for node in ast.walk(function)) == 1
