"""Bodies that may be hostile."""

from __future__ import annotations

import contextlib
import io
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest
from app.web.json_body import parse_json
from tests.applications import LLM, build_application

ROUTES = ("/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/rerank")
SMALL = 1000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """An application without models, which takes bodies of at most 1,000 bytes."""
    base: Path = tmp_path_factory.mktemp("bodies")
    return build_application(base, {}, MAX_BODY_BYTES=str(SMALL)).test_client()


def post(client: FlaskClient, body: bytes, route: str = ROUTES[0], **more: Any) -> Any:
    return client.post(route, data=body, **{"content_type": "application/json", **more})


def check(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/json"
    error: dict[str, Any] = response.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert len(response.data) <= 4096
    return error


UNREADABLE = {
    "empty": b"",
    "an array": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "a number": b"5",
    "cut off": b'{"model": "x"',
    "two objects": b"{}{}",
    "NaN": b'{"temperature": NaN}',
    "infinity": b'{"temperature": -Infinity}',
    "1e400": b'{"temperature": 1e400}',
    "a number of 4,001 digits": b'{"a": 1' + b"0" * 900 + b"}",
    "a lone surrogate": b'{"prompt": "\\ud800"}',
    "a lone surrogate as a key": b'{"\\udfff": 1}',
    "NUL": b'{"prompt": "a\\u0000b"}',
    "NUL in a list": b'{"prompt": ["a", "\\u0000"]}',
    "NUL in a key": b'{"\\u0000": 1}',
    "NUL deep inside": b'{"a": [{"b": [["\\u0000"]]}]}',
    "UTF-16": '{"model": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"model": "x"}',
    "bytes that are no UTF-8": b'{"model": "\xff"}',
    "an encoded surrogate": b'{"model": "\xed\xa0\x80"}',
    "a comment": b'{"model": "x" /* y */}',
    "single quotes": b"{'model': 'x'}",
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_400(client: FlaskClient, kind: str, route: str) -> None:
    check(post(client, UNREADABLE[kind], route), 400)


def nested(depth: int) -> bytes:
    """An object with lists in it, `depth` levels in all."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize("make", [nested, lambda n: b'{"a":' * n + b"1" + b"}" * n])
def test_64_levels_and_one_more(make: Any) -> None:
    parse_json(make(64))
    with pytest.raises(InvalidRequest, match="64"):
        parse_json(make(65))


@pytest.mark.parametrize("depth", [985, 1025, 100_000, 250_000])
def test_a_depth_bomb_is_quickly_refused(depth: int) -> None:
    start = time.thread_time()
    with pytest.raises(InvalidRequest) as caught:
        parse_json(nested(depth))
    assert time.thread_time() - start < 0.5
    assert caught.value.status == 400


def test_the_last_of_duplicate_keys_wins() -> None:
    assert parse_json(b'{"a": 1, "a": 2}') == {"a": 2}


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**63 - 1)))
def test_any_text_passes_unless_it_holds_nul(content: dict[str, Any]) -> None:
    raw = orjson.dumps(content)
    if b"\\u0000" in raw:
        with pytest.raises(InvalidRequest):
            parse_json(raw)
    else:
        assert parse_json(raw) == content


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_a_400(raw: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        assert isinstance(parse_json(raw), dict)


@pytest.mark.parametrize(
    ("content_type", "is_allowed"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("application/jsonx", False),
        ("", False),
        (None, False),
        ("x" * 900, False),
    ],
)
def test_content_types(client: FlaskClient, content_type: str | None, is_allowed: bool) -> None:
    response = post(client, b'{"model": "nope"}', content_type=content_type)
    check(response, 404 if is_allowed else 415)


@pytest.mark.parametrize(("encoding", "status"), [("identity", 404), ("gzip", 415), ("br", 415)])
def test_content_encodings(client: FlaskClient, encoding: str, status: int) -> None:
    response = post(client, b'{"model": "nope"}', headers={"Content-Encoding": encoding})
    check(response, status)


def sized(size: int) -> bytes:
    body = b'{"model": "nope", "x": "'
    return body + b"x" * (size - len(body) - 2) + b'"}'


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("size", "status"), [(SMALL, 404), (SMALL + 1, 413), (10**6, 413)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_the_limit_and_one_more(
    client: FlaskClient, route: str, size: int, status: int, is_chunked: bool
) -> None:
    if is_chunked:
        # What gunicorn makes of a chunked body: no length, and a stream that ends.
        more = {
            "input_stream": io.BytesIO(sized(size)),
            "environ_overrides": {"wsgi.input_terminated": True},
        }
        response = client.post(route, content_type="application/json", **more)
    else:
        response = post(client, sized(size), route)
    error = check(response, status)
    if status == 413:
        assert str(SMALL) in error["message"]


class Failing:
    """A body whose reading fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def read(self, *_: Any) -> bytes:
        raise self._error

    readline = readinto = read


def post_stream(client: FlaskClient, stream: Any, length: int) -> Any:
    overrides = {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}
    return client.post(ROUTES[0], content_type="application/json", environ_overrides=overrides)


def test_a_body_of_10_gib_is_refused_unread(client: FlaskClient) -> None:
    unread = Failing(AssertionError("a body that is too large was read"))
    check(post_stream(client, unread, 10 * 2**30), 413)


def test_a_body_that_ends_early_is_400(client: FlaskClient) -> None:
    check(post_stream(client, io.BytesIO(b'{"model"'), 100), 400)


def test_a_body_that_does_not_come_is_408(client: FlaskClient) -> None:
    """What reading gives when the socket's timeout has passed."""
    response = post_stream(client, Failing(TimeoutError("timed out")), 100)
    assert response.status_code == 408
    assert response.json["error"]["type"] == "timeout_error"


def test_a_huge_model_name_has_a_small_error(client: FlaskClient) -> None:
    body = b'{"model": "' + b"x" * 900 + b'"}'
    check(post(client, body), 400)


def test_model_names_stay_as_they_are(client: FlaskClient) -> None:
    error = check(post(client, b'{"model": "\\u0007\\n<script>"}'), 404)
    assert LLM not in error["message"]
