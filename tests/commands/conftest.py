"""The other server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.commands.other_server import OtherServer


@pytest.fixture
def other() -> Iterator[OtherServer]:
    """A server that is not this one."""
    server = OtherServer()
    yield server
    server.stop()
