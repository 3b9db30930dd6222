"""What is fuzzed: functions of bytes that raise nothing, whatever the bytes are.

Each swallows the errors that its subject declares, and asserts the laws that hold for any input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import orjson
from gunicorn.config import Config
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser

from app.errors import ApiError, BackendError, InternalError, InvalidRequest
from app.prompting.detokenizer import IncrementalDetokenizer
from app.prompting.stop_sequences import StopStrings
from app.prompting.tool_calls import make_parser
from app.schemas.anthropic_messages import AnthropicMessagesSchema
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionSchema
from app.schemas.embed_v2 import EmbedV2Schema
from app.schemas.embeddings import EmbeddingSchema
from app.schemas.request import model_name, parse
from app.schemas.rerank import RerankSchema, TextsRerankSchema
from app.schemas.responses import ResponsesSchema
from app.schemas.score import ScoreSchema
from app.schemas.tokenization import DetokenizeSchema, TokenizeSchema
from app.triton.errors import classify
from app.triton.grpc_client.frames import PREFACE, ProtocolError
from app.triton.grpc_client.http2 import ClientProtocol
from app.triton.http_connection import UNREADABLE
from app.triton.http_messages import output_array
from app.triton.model_response import ResponseReader
from app.types import TOOL_CALL_PARSERS
from app.web.contexts import REQUEST_ID
from app.web.json_body import parse_json
from app.web.sse import PLAIN
from app.worker import told
from tests.tokenizers.cached import tokenizer
from tests.triton.grpc_client.both_ends import RecordedStream

SCHEMAS = (
    ChatSchema(),
    CompletionSchema(),
    ResponsesSchema(),
    AnthropicMessagesSchema(),
    EmbeddingSchema(),
    EmbedV2Schema(),
    RerankSchema(),
    TextsRerankSchema(),
    ScoreSchema(),
    TokenizeSchema(),
    DetokenizeSchema(),
)
MAX_ERROR = 4096
OUTPUTS = ("output_ids", "sequence_length", "text_output", "")


def json_body(data: bytes) -> None:
    """The reader of bodies: an object that can be written again, or a 400."""
    with suppress(InvalidRequest):
        body = parse_json(data)
        assert parse_json(orjson.dumps(body)) == body


def schema(data: bytes) -> None:
    """A body in one of the schemas, which its first byte chooses: a request, or a short error."""
    try:
        body = parse_json(data[1:])
        model_name(body)
        parse(SCHEMAS[(data[0] if data else 0) % len(SCHEMAS)], body)
    except ApiError as error:
        _check_refusal(error)


def _check_refusal(error: ApiError) -> None:
    assert error.status == 400
    assert len(orjson.dumps(error.as_dict())) <= MAX_ERROR


def event_stream(data: bytes) -> None:
    """Token ids as text, pushed at any places, and each piece as an event that is one frame."""
    codec = tokenizer("byte_level_bpe")
    ids = [byte * 2 % codec.vocabulary_size for byte in data]
    detokenizer = IncrementalDetokenizer(codec, skip_special_tokens=False)
    pieces = [detokenizer.push(part) for part in _parts(ids, data)] + [detokenizer.flush()]
    assert "".join(pieces) == codec.decode(ids, skip_special_tokens=False)
    for piece in pieces:
        frame = PLAIN.frame({"text": piece})
        assert frame.startswith(b"data: ")
        assert frame.endswith(b"\n\n")
        assert b"\n" not in frame[:-2]
        assert b"\r" not in frame
        assert orjson.loads(frame[6:]) == {"text": piece}


def stop_strings(data: bytes) -> None:
    """Some stop strings and a text, in any parts: what Python's own search finds."""
    *stops, text = data.decode("utf-8", "replace").split("\n")
    stops = [stop for stop in stops if stop][:16] or ["ab"]
    matcher = StopStrings(stops)
    found = "".join(matcher.push(part) for part in _parts(text, data)) + matcher.flush()
    ends = [(text.find(stop) + len(stop), -len(stop)) for stop in stops if stop in text]
    if not ends:
        assert (found, matcher.matched) == (text, None)
        return
    end, length = min(ends)
    assert (found, len(matcher.matched or "")) == (text[: end + length], -length)


def tool_calls(data: bytes) -> None:
    """What a model writes, in any parts: none of the parsers fails."""
    text = data[1:].decode("utf-8", "replace")
    kinds = sorted(TOOL_CALL_PARSERS)
    parser = make_parser(kinds[(data[0] if data else 0) % len(kinds)], frozenset({"f", "look-up"}))
    pieces = [piece for part in _parts(text, data) for piece in parser.push(part)] + parser.flush()
    assert all(pieces)


def triton_messages(data: bytes) -> None:
    """A stream of Triton's messages, each behind two bytes of its length."""
    reader = ResponseReader()
    with suppress(BackendError):
        for raw in _framed(data):
            # What comes twice is looked at in another way.
            for _ in range(3):
                text, response = reader.read(raw)
                classify(None, text)
                for name in OUTPUTS:
                    _read(response, name)


def _read(response: Any, name: str) -> None:
    with suppress(BackendError):
        response.integers(name, 0, 3)
    with suppress(BackendError):
        response.output(name)


def triton_error(data: bytes) -> None:
    """Triton's words and status: an error of the backend that repeats none of them."""
    status, _, text = data.decode("utf-8", "replace").partition("\n")
    error = classify(status, text)
    assert error.status in (429, 502, 503, 504)
    assert len(text) < 20 or text not in error.message


def http_message(data: bytes) -> None:
    """An answer over HTTP, whose first two bytes are the length of its head."""
    size = int.from_bytes(data[:2], "big")
    body = memoryview(data[2:])
    for head_size in (None, size):
        with suppress(*UNREADABLE):
            output_array(body, head_size, "output")


def http2(data: bytes) -> None:
    """What a gRPC server may send on a connection with two calls."""
    protocol = ClientProtocol()
    assert protocol.outgoing.startswith(PREFACE)
    for _ in range(2):
        protocol.open(RecordedStream(), b"", b"x" * 100)
    with suppress(ProtocolError):
        for part in _parts(data, data):
            protocol.receive(part)
    assert len(protocol.outgoing) <= 100 * (len(data) + 100)


def http_request(data: bytes) -> None:
    """What gunicorn reads as requests: its errors are those that the worker knows."""
    parser = RequestParser(_configuration(), [data], ("127.0.0.1", 1))
    with suppress(StopIteration, NoMoreData):
        for _ in range(5):
            try:
                request = next(parser)
                request.body.read(65536)
            except (StopIteration, NoMoreData):
                raise
            except Exception as error:
                _check_known(error)
                return


def _check_known(error: Exception) -> None:
    assert not isinstance(told(error), InternalError), repr(error)


def request_id(data: bytes) -> None:
    """An id that is kept can stand in a header and in a line of the log."""
    text = data.decode("latin-1")
    if REQUEST_ID.fullmatch(text):
        assert 1 <= len(text) <= 128
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        json_body,
        schema,
        event_stream,
        stop_strings,
        tool_calls,
        triton_messages,
        triton_error,
        http_message,
        http2,
        http_request,
        request_id,
    )
}


@cache
def _configuration() -> Config:
    return Config()


def _parts(whole: Any, data: bytes) -> Iterator[Any]:
    """The whole in parts, whose sizes are the data's own bytes."""
    start = 0
    for size in data[:32]:
        yield whole[start : start + size % 17]
        start += size % 17
    yield whole[start:]


def _framed(data: bytes) -> Iterator[bytes]:
    while data:
        size = int.from_bytes(data[:2], "big")
        yield data[2 : 2 + size]
        data = data[2 + size :]
