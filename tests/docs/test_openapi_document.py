"""The OpenAPI document and docs/api.md say the same of every field."""

from __future__ import annotations

from typing import Any

import pytest

from app.schemas.openapi.document import as_dict
from app.schemas.openapi.meanings import MEANINGS, OF_BODIES
from app.schemas.openapi.operation import BODIES
from tests.docs.test_api_page import SCHEMAS, field_rows

DOCUMENT = as_dict(frozenset(), needs_key=False)["components"]["schemas"]
NAMES = {schema: name for name, schema in BODIES.items()}
# A page can point to another place of itself.
POINTS_ELSEWHERE = ("as in ", "as above", "see below")


@pytest.mark.parametrize(("heading", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_a_field_means_the_same(heading: str, schema: Any) -> None:
    fields = DOCUMENT[NAMES[type(schema)]]["properties"]
    for row in field_rows(heading, schema):
        name, meaning = row["field"].strip("`"), row["meaning"].strip()
        if meaning and not any(words in meaning for words in POINTS_ELSEWHERE):
            assert fields[name]["description"] == meaning, name


def test_no_meaning_is_left_over() -> None:
    fields = {name: set(DOCUMENT[name]["properties"]) for name in BODIES}
    assert MEANINGS.keys() <= set().union(*fields.values())
    for name, meanings in OF_BODIES.items():
        assert meanings.keys() <= fields[name]
