"""A large answer is sent piece by piece: a limit for a write is one for a piece, not for all."""

from __future__ import annotations

import pytest
from flask import Flask

from app.web.json_answers import PIECE_BYTES, json_response

QUOTES = 2


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7])
def test_an_answer_is_whole_whatever_its_pieces(size: int) -> None:
    body = b'"' + b"x" * (size - QUOTES) + b'"' if size > QUOTES else b'""'
    with Flask(__name__).test_request_context():
        response = json_response("x" * max(size - QUOTES, 0))
    pieces = list(response.iter_encoded())
    assert b"".join(pieces) == body
    assert max(map(len, pieces)) <= PIECE_BYTES
    # gunicorn takes nothing else.
    assert {type(piece) for piece in pieces} == {bytes}
    assert response.headers["Content-Length"] == str(len(body))
    assert response.content_type == "application/json"
