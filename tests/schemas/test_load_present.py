"""Leaving absent fields alone gives what asking each of them for its default gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.schemas.request import RequestSchema
from tests.schemas.bodies import BODIES, SCHEMAS

VALUES = st.sampled_from([None, True, False, "true", "a", 0, 1, 2, 0.5, -1, [], ["a"], {}])


def outcome(load: Any) -> Any:
    try:
        return load()
    except ValidationError as error:
        return error.normalized_messages()


@given(data=st.data())
@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_what_load_gives(name: str, data: st.DataObject) -> None:
    schema: RequestSchema = SCHEMAS[name]
    given_fields = data.draw(st.dictionaries(st.sampled_from(list(schema.load_fields)), VALUES))
    body = {**BODIES[name], **given_fields}
    if data.draw(st.booleans()):
        del body[next(iter(schema.required_names))]
    expected = outcome(lambda: schema.load(body))
    assert outcome(lambda: schema.load_present(body)) == expected


def test_a_request_does_not_change_the_defaults() -> None:
    schema = SCHEMAS["chat"]
    first = schema.load_present({**BODIES["chat"], "temperature": 0.5, "stop": ["a"]})
    second = schema.load_present(BODIES["chat"])
    assert (first.sampling.temperature, first.stop) == (0.5, ("a",))
    assert (second.sampling.temperature, second.stop) == (None, ())
