"""Valid bodies with one value changed, and bodies of any JSON: case D2.

Whatever is sent, the answer is a success, or an error of the request that says where it is.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.schemas.openapi.operation import BODIES as SCHEMAS
from app.schemas.openapi.operations import OPERATIONS
from tests.applications import EMBEDDING, LLM, RERANKER
from tests.faults.record import Case
from tests.hostile.openapi.bodies import (
    BODIES,
    MEGABYTE,
    REFUSED_VALUES,
    VALUES,
    changed,
    places,
    without,
)

NUM_SAMPLED, NUM_DOCUMENTS = 150, 120
NUM_OF_WHOLE = 20_000
# However large the request was.
MAX_ERROR_BYTES = 4096
STATUSES = {200, 400, 404, 413, 415, 429}
# What this model cannot do, or what excludes something else: the body without it is answered.
LEFT_OUT: dict[str, set[str]] = {
    "ChatRequest": {
        *("response_format", "structured_outputs", "documents", "stream_options"),
        *("guided_json", "guided_regex", "guided_choice", "guided_grammar", "stream"),
    },
    "CompletionRequest": {
        *("response_format", "structured_outputs", "stream_options", "logprobs"),
        *("guided_json", "guided_regex", "guided_choice", "guided_grammar", "stream"),
    },
    "ResponseRequest": {"text", "include", "stream", "stream_options"},
    "MessageRequest": {"stream"},
    "EmbedV2Request": {"inputs"},
    "TokenizeRequest": {"prompt"},
}
MODELS = {"Embed": EMBEDDING, "Rerank": RERANKER, "Texts": RERANKER, "Score": RERANKER}
POSTED = [(each.path, body) for each in OPERATIONS for body in each.bodies]
NAME = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def base(body: str) -> dict[str, Any]:
    """A body that is answered."""
    model = next((name for start, name in MODELS.items() if body.startswith(start)), LLM)
    fields = {
        name: value for name, value in BODIES[body].items() if name not in LEFT_OUT.get(body, ())
    }
    return {"model": model, **fields}


def check(response: Any, body: Any, fields: Iterable[str]) -> None:
    """A success, or an error that says where it is."""
    assert response.status_code in STATUSES, response.text[:MAX_ERROR_BYTES]
    if response.status_code == 200:
        assert '"error": {' not in response.text
        assert 'data: {"error"' not in response.text
        return
    assert response.content_type == "application/json"
    assert len(response.data) <= MAX_ERROR_BYTES
    assert "Traceback" not in response.text
    error = response.json["error"]
    if isinstance(error, str):
        assert set(response.json) == {"error", "error_type"}
        return
    assert set(error) == {"message", "type", "param", "code"}
    if error["param"] is not None:
        assert NAME.findall(error["param"])[0][1] in fields
        check_place(error["param"], body)


def check_place(param: str, body: Any) -> None:
    """Where the error is: the path is in the body, up to what is missing or has a wrong type."""
    value = body
    for index, name in NAME.findall(param):
        if index:
            value = value[int(index)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return


def post(client: FlaskClient, path: str, body: Any) -> Any:
    return post_raw(client, path, json.dumps(body))


def post_raw(client: FlaskClient, path: str, raw: str) -> Any:
    # Buffered: read to its end and closed, as a server does.
    return client.post(path, data=raw, content_type="application/json", buffered=True)


@pytest.mark.parametrize(("path", "body"), POSTED, ids=map("-".join, POSTED))
def test_the_body_itself_is_answered(client: FlaskClient, path: str, body: str) -> None:
    response = post(client, path, base(body))
    assert response.status_code == 200, response.text


def mutations(name: str) -> list[tuple[Any, ...]]:
    """Every value of every field, with what takes its place."""
    found: list[tuple[Any, ...]] = []
    for field in SCHEMAS[name]().fields:
        valid = BODIES[name].get(field)
        for place in places(valid):
            found += [(field, place, value) for value in (*VALUES, *REFUSED_VALUES, MEGABYTE)]
            found += [(field, place)] if place else []
    return found


def send(client: FlaskClient, path: str, body: str, found: list[tuple[Any, ...]]) -> None:
    for field, place, *value in found:
        valid = BODIES[body].get(field)
        mutated = changed(valid, place, value[0]) if value else without(valid, place)
        sent = {**base(body), field: mutated}
        check(post(client, path, sent), sent, SCHEMAS[body]().fields)


@pytest.mark.parametrize(("path", "body"), POSTED, ids=map("-".join, POSTED))
def test_a_changed_value(client: FlaskClient, path: str, body: str) -> None:
    found = mutations(body)
    send(client, path, body, random.Random(path).sample(found, min(NUM_SAMPLED, len(found))))


@pytest.mark.whole
@pytest.mark.timeout(1800)
@pytest.mark.case("D2", "One value of a valid body changed, on every endpoint")
def test_every_changed_value(client: FlaskClient, case: Case) -> None:
    all_found = {(path, body): mutations(body) for path, body in POSTED}
    for (path, body), found in all_found.items():
        send(client, path, body, found)
    case.injects("bodies with a wrong value", sum(map(len, all_found.values())))
    case.exactly("answers that were neither 200 nor a good error", 0, 0)


@pytest.mark.parametrize("value", REFUSED_VALUES, ids=["huge", "nan", "inf", "surrogate", "nul"])
@pytest.mark.parametrize(("path", "body"), POSTED, ids=map("-".join, POSTED))
def test_what_is_no_json_is_refused_wherever_it_stands(
    client: FlaskClient, path: str, body: str, value: Any
) -> None:
    for sent in ({**base(body), "x": [value]}, {**base(body), "model": value}):
        assert post(client, path, sent).status_code == 400


# ---- any JSON

WORDS = sorted(
    {name for schema in SCHEMAS.values() for name in schema().fields}
    | {"role", "content", "type", "text", "function", "name", "user", "assistant", LLM, EMBEDDING}
)
LEAVES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(VALUES),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.integers(-(2**64), 2**64),
    st.floats(),
)
NAMES = st.one_of(st.sampled_from(WORDS), st.text(max_size=4))
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
LAWS = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@settings(LAWS, max_examples=NUM_DOCUMENTS)
@given(data=st.data())
def test_any_json(client: FlaskClient, data: st.DataObject) -> None:
    check_any_json(client, data)


@pytest.mark.whole
@pytest.mark.timeout(3600)
@pytest.mark.case("D2", "Bodies of any JSON, on every endpoint")
def test_any_json_many_times(client: FlaskClient, case: Case) -> None:
    @settings(LAWS, max_examples=NUM_OF_WHOLE)
    @given(data=st.data())
    def law(data: st.DataObject) -> None:
        check_any_json(client, data)

    law()
    case.injects("bodies of any JSON", NUM_OF_WHOLE)
    case.exactly("answers that were neither 200 nor a good error", 0, 0)


def check_any_json(client: FlaskClient, data: st.DataObject) -> None:
    path, body = data.draw(st.sampled_from(POSTED))
    fields = st.sampled_from([*SCHEMAS[body]().fields])
    changes = data.draw(st.dictionaries(fields | NAMES, ANYTHING, max_size=4))
    sent = data.draw(st.sampled_from([changes, {**base(body), **changes}]))
    check(post(client, path, sent), sent, SCHEMAS[body]().fields)


# The body itself is a level.
DEPTHS = (1, 2, 63, 64, 65, 80, 1000, 100_000)
TOO_DEEP = 64


@pytest.mark.parametrize("depth", DEPTHS)
def test_any_depth(client: FlaskClient, depth: int) -> None:
    # Where each endpoint has the same reader, a large body is for one.
    posted = POSTED if depth <= 1000 else POSTED[:1]
    for opening, closing in (("[", "]"), ('{"text":', "}")):
        inner = f"{opening * depth}1{closing * depth}"
        for path, body in posted:
            for field in SCHEMAS[body]().required_names or ["model"]:
                raw = f'{{"model": "{base(body)["model"]}", "{field}": {inner}}}'
                response = post_raw(client, path, raw)
                assert response.status_code in ({200, 400} if depth < TOO_DEEP else {400})
                assert len(response.data) <= MAX_ERROR_BYTES
