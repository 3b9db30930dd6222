"""The application with keys."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.applications import build_application, standard_configuration
from tests.scripted_triton import ScriptedHttpTriton, ScriptedTriton
from tests.web.keys import KEY, OTHER


@pytest.fixture(scope="module")
def keyed(
    tmp_path_factory: pytest.TempPathFactory,
    _triton: ScriptedTriton,
    _http_triton: ScriptedHttpTriton,
) -> Flask:
    """The application with two keys."""
    # What a test before these told the scripts is not meant for them.
    _triton.reset()
    _http_triton.reset()
    configuration = standard_configuration(_triton.address, _http_triton.address)
    base = tmp_path_factory.mktemp("keyed")
    return build_application(base, configuration, API_KEYS=f"{KEY}, {OTHER}")
