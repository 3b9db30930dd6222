"""Answers of all sizes over a real connection: those in one piece, and those read in parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from app.errors import ApiError
from app.triton import http_answers
from app.triton.address import Address
from app.triton.http_answers import PART_SIZE, answer_limit
from app.triton.http_connection import HttpConnection
from tests.backends.encoders import LIMITS
from tests.scripted_triton import Reply, ScriptedHttpTriton, tensor_reply

NUMBERS = PART_SIZE // 4
INPUTS: Mapping[str, tuple[str, Any]] = {"input_ids": ("INT64", np.ones((1, 2), np.int64))}


def infer(triton: ScriptedHttpTriton) -> Any:
    return HttpConnection(Address.parse(triton.address), LIMITS).infer("m", "1", INPUTS, "x", "id")


@pytest.mark.parametrize("size", [1, NUMBERS - 1, NUMBERS, NUMBERS + 1, 5 * NUMBERS + 7])
def test_every_number_arrives(http_triton: ScriptedHttpTriton, size: int) -> None:
    values = np.random.default_rng(size).random((1, size), np.float32)
    http_triton.infer = lambda _: tensor_reply("x", values)
    assert np.array_equal(infer(http_triton), values)


@pytest.mark.parametrize("size", [10, 3 * NUMBERS])
def test_one_connection_serves_answer_after_answer(
    http_triton: ScriptedHttpTriton, size: int
) -> None:
    values = np.ones((1, size), np.float32)
    http_triton.infer = lambda _: tensor_reply("x", values)
    connection = HttpConnection(Address.parse(http_triton.address), LIMITS)
    for _ in range(3):
        assert connection.infer("m", "1", INPUTS, "x", "id").shape == (1, size)


@pytest.mark.parametrize("size", [10, 3 * NUMBERS])
def test_an_answer_that_ends_early_is_refused(http_triton: ScriptedHttpTriton, size: int) -> None:
    reply = tensor_reply("x", np.ones((1, size), np.float32))
    headers = {**reply.headers, "Content-Length": str(len(reply.body) + 1)}
    http_triton.infer = lambda _: Reply(200, reply.body, headers, then_closes=True)
    with pytest.raises(ApiError) as caught:
        infer(http_triton)
    assert caught.value.code == "backend_error"


@pytest.mark.parametrize("is_announced", [True, False])
def test_an_answer_that_is_too_large_is_refused(
    http_triton: ScriptedHttpTriton, monkeypatch: pytest.MonkeyPatch, is_announced: bool
) -> None:
    monkeypatch.setattr(http_answers, "MIN_ANSWER_LIMIT", 3 * PART_SIZE)
    ones = np.ones((1, 4 * NUMBERS), np.float32)
    small, large = tensor_reply("x", ones[:, : 2 * NUMBERS]), tensor_reply("x", ones)
    connection = HttpConnection(Address.parse(http_triton.address), LIMITS)
    http_triton.infer = lambda _: large if is_announced else chunked(large)
    with pytest.raises(ApiError) as caught:
        connection.infer("m", "1", INPUTS, "x", "id")
    assert caught.value.code == "backend_error"
    http_triton.infer = lambda _: small if is_announced else chunked(small)
    assert connection.infer("m", "1", INPUTS, "x", "id").shape == (1, 2 * NUMBERS)


@pytest.mark.parametrize(
    ("num_tokens", "mebibytes"), [(1, 64), (1024, 64), (2048, 128), (64 * 512, 512)]
)
def test_more_tokens_may_have_larger_answers(num_tokens: int, mebibytes: int) -> None:
    assert answer_limit(num_tokens) == mebibytes * 2**20


def chunked(reply: Reply) -> Reply:
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(reply.body), reply.body)
    return Reply(200, body, {**reply.headers, "Transfer-Encoding": "chunked"})


ON_AN_EVENT_LOOP = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from app.triton.address import Address
from app.triton.http_connection import HttpConnection
from tests.triton.test_http_bodies import INPUTS, LIMITS

turns = []

def others():
    while True:
        gevent.sleep(1e-6)
        turns.append(1)

connection = HttpConnection(Address.parse(sys.argv[1]), LIMITS)
connection.infer("m", "1", INPUTS, "x", "id")
counting = gevent.spawn(others)
gevent.sleep(0.01)
turns.clear()
readings = [
    gevent.spawn(connection.infer, "m", "1", INPUTS, "x", "id") for _ in range(4)
]
gevent.joinall(readings, raise_error=True)
print(len(turns))
"""


def test_others_get_their_turn_while_large_answers_are_read(
    http_triton: ScriptedHttpTriton,
) -> None:
    reply = tensor_reply("x", np.ones((1, 16 * NUMBERS), np.float32))
    http_triton.infer = lambda _: reply
    program = [sys.executable, "-c", ON_AN_EVENT_LOOP, http_triton.address]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=True)
    # One for each part at best; 4 to 9 were counted where an answer was read at a stretch.
    assert int(done.stdout) > 12
