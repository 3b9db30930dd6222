"""The bytes of bodies that a process holds at once."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.errors import ServerOverloaded
from app.web.large_bodies import FREE_BYTES, BodyRoom, LargeBodies
from tests.applications import EMBEDDING, build_application, closed_port, standard_configuration

LIMIT = 100_000
PATH = "/v1/embeddings"


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    address = f"127.0.0.1:{closed_port()}"
    configuration = standard_configuration(address, address)
    app = build_application(tmp_path, configuration, MAX_BODIES_BYTES=str(LIMIT))
    return app.test_client()


def body(num_bytes: int) -> dict[str, object]:
    """One that is refused for what it says, when it has been read."""
    return {"model": EMBEDDING, "input": ["a" * num_bytes], "encoding_format": "none"}


def test_more_than_there_is_room_for_is_refused(client: FlaskClient) -> None:
    assert_overloaded(client.post(PATH, json=body(FREE_BYTES + LIMIT)))


def assert_overloaded(answer: TestResponse) -> None:
    assert answer.status_code == 503
    assert answer.get_json()["error"]["code"] == "server_overloaded"
    assert answer.headers["Retry-After"] == "1"


def test_room_is_free_again_behind_each_request(client: FlaskClient) -> None:
    for _ in range(3):
        assert client.post(PATH, json=body(FREE_BYTES + LIMIT)).status_code == 503
        assert client.post(PATH, json=body(FREE_BYTES + LIMIT // 2)).status_code == 400


def test_without_memory_the_server_is_to_blame(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: BodyRoom, num_bytes: int) -> None:
        raise MemoryError

    monkeypatch.setattr(BodyRoom, "take", fail)
    assert_overloaded(client.post(PATH, json=body(1)))


def test_small_bodies_need_no_room() -> None:
    bodies = LargeBodies(LIMIT)
    with ExitStack() as stack:
        stack.enter_context(bodies.room()).take(FREE_BYTES + LIMIT)
        for _ in range(1000):
            stack.enter_context(bodies.room()).take(FREE_BYTES)
        with pytest.raises(ServerOverloaded):
            stack.enter_context(bodies.room()).take(FREE_BYTES + 1)


@given(st.lists(st.lists(st.integers(0, 2 * FREE_BYTES), max_size=5), max_size=20))
def test_what_is_held_is_what_was_taken(pieces: list[list[int]]) -> None:
    bodies, held = LargeBodies(LIMIT), 0
    with ExitStack() as stack:
        for sizes in pieces:
            room, size = stack.enter_context(bodies.room()), 0
            for more in sizes:
                counted = max(size + more - FREE_BYTES, 0) - max(size - FREE_BYTES, 0)
                if held + counted > LIMIT:
                    with pytest.raises(ServerOverloaded):
                        room.take(more)
                    break
                room.take(more)
                size, held = size + more, held + counted
    with bodies.room() as room:
        room.take(FREE_BYTES + LIMIT)


def test_threads_lose_no_bytes() -> None:
    bodies = LargeBodies(LIMIT)

    def use() -> None:
        for _ in range(2000):
            with bodies.room() as room:
                room.take(FREE_BYTES + 1)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with bodies.room() as room:
        room.take(FREE_BYTES + LIMIT)
