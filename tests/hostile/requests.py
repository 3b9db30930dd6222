"""Requests that no client of good will sends, and what becomes of each.

RFC 9112 says what is malformed; where it leaves a choice, the stricter one is written here.
"""

from __future__ import annotations

import json

from tests.applications import LLM
from tests.hostile.conftest import MAX_BODY

SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n"
BODY = json.dumps({"model": "nope", "prompt": "a"}).encode()
GOOD = json.dumps({"model": LLM, "prompt": "a"}).encode()


def request(
    *fields: str | bytes,
    body: bytes = b"",
    method: str = "POST",
    target: str | bytes = "/v1/completions",
    version: str = "HTTP/1.1",
) -> bytes:
    """A request with the fields that all need, and these."""
    lines = [f"{method} ".encode() + _bytes(target) + f" {version}".encode(), b"Host: x"]
    lines.append(b"Content-Type: application/json")
    return b"\r\n".join([*lines, *map(_bytes, fields), b"", body])


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def sized(length: object, body: bytes = BODY, *fields: str) -> bytes:
    return request(f"Content-Length: {length}", *fields, body=body)


def chunked(body: bytes, *fields: str, coding: str = "chunked") -> bytes:
    return request(f"Transfer-Encoding: {coding}", *fields, body=body)


def chunks(*pieces: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


def padded(size: int) -> bytes:
    start = b'{"model": "nope", "x": "'
    return start + b"x" * (size - len(start) - 2) + b'"}'


WHOLE = chunks(BODY)
OK = len(BODY)

# Name, bytes, status. None: the connection is closed without a word.
REQUESTS: dict[str, tuple[bytes, int | None]] = {
    # How long is the body?
    "length and chunked": (chunked(WHOLE + SMUGGLED, f"Content-Length: {OK}"), 400),
    "length after chunked": (
        request(f"Content-Length: {OK}", "Transfer-Encoding: chunked", body=WHOLE + SMUGGLED),
        400,
    ),
    "two equal lengths": (sized(OK, BODY, f"Content-Length: {OK}"), 400),
    "two lengths": (sized(OK, BODY + SMUGGLED, "Content-Length: 0"), 400),
    "a list of lengths": (sized(f"{OK}, {OK}"), 400),
    "a negative length": (sized(-1), 400),
    "a length with a sign": (sized(f"+{OK}"), 400),
    "a length in hexadecimal": (sized(hex(OK)), 400),
    "a length with a point": (sized(f"{OK}.0"), 400),
    "a length with an underscore": (sized("2_7"), 400),
    "a superscript length": (sized("\xb2"), 400),
    "an empty length": (sized(""), 400),
    "a length of two words": (sized("3 4"), 400),
    "a length of 10 GiB": (sized(10 * 2**30, b""), 413),
    "a length of 400 digits": (sized("9" * 400, b""), 413),
    "a length of 5,000 digits": (sized("9" * 5000, b""), 400),
    "a length of one more": (sized(MAX_BODY + 1, padded(MAX_BODY + 1)), 413),
    "a length of the limit": (sized(MAX_BODY, padded(MAX_BODY)), 404),
    "no length": (request(body=b""), 400),
    # Chunks.
    "chunked": (chunked(WHOLE), 404),
    "Chunked": (chunked(WHOLE, coding="Chunked"), 404),
    "chunked twice": (chunked(WHOLE + SMUGGLED, coding="chunked, chunked"), 400),
    "chunked in two fields": (chunked(WHOLE, "Transfer-Encoding: chunked"), 400),
    "identity after chunked": (chunked(WHOLE, coding="chunked, identity"), 400),
    "xchunked": (chunked(WHOLE + SMUGGLED, coding="xchunked"), 501),
    "quoted": (chunked(WHOLE, coding='"chunked"'), 501),
    "chunked with a vertical tab": (chunked(WHOLE, coding="\x0bchunked"), 400),
    "chunked with a parameter": (chunked(WHOLE, coding="chunked;q=1"), 501),
    "gzip alone": (chunked(WHOLE, coding="gzip"), 400),
    "cow": (chunked(WHOLE, coding="cow"), 501),
    "chunked in HTTP/1.0": (
        request("Transfer-Encoding: chunked", body=WHOLE, version="HTTP/1.0"),
        400,
    ),
    "a space before the colon": (request("Transfer-Encoding : chunked", body=WHOLE), 400),
    "a tab before the colon": (request("Content-Length\t: 5", body=b"12345"), 400),
    "a folded coding": (request("Transfer-Encoding:\r\n chunked", body=WHOLE), 400),
    "a size with 0x": (chunked(b"0x5\r\nabcde\r\n0\r\n\r\n"), 400),
    "a size with a sign": (chunked(b"+5\r\nabcde\r\n0\r\n\r\n"), 400),
    "a negative size": (chunked(b"-5\r\nabcde\r\n0\r\n\r\n"), 400),
    "no size": (chunked(b"\r\nabcde\r\n0\r\n\r\n"), 400),
    "a size with an underscore": (chunked(b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n"), 400),
    "a size with a space before it": (chunked(b" 5\r\nabcde\r\n0\r\n\r\n"), 400),
    "a size that ends with LF": (chunked(b"5\nabcde\r\n0\r\n\r\n"), 400),
    "a chunk that is too long": (chunked(b"3\r\nabcde\r\n0\r\n\r\n" + SMUGGLED), 400),
    "a chunk that ends with LF": (chunked(b"5\r\nabcde\n0\r\n\r\n"), 400),
    "a size of 2^64": (chunked(b"10000000000000000\r\n" + b"a" * (MAX_BODY + 1)), 413),
    "a size of 9,000 digits": (chunked(b"0" * 9000 + b"5\r\nabcde\r\n0\r\n\r\n"), 400),
    "an extension": (chunked(chunks(BODY, extension=b';a="b c"')), 404),
    "an extension with CR": (chunked(chunks(BODY, extension=b";a\rb")), 400),
    "an extension with LF": (chunked(chunks(BODY, extension=b";a\nb")), 400),
    "a trailer": (chunked(chunks(BODY, trailer=b"X-A: b\r\n")), 404),
    "a trailer that is a length": (chunked(chunks(BODY, trailer=b"Content-Length: 5\r\n")), 400),
    "a trailer with a bare LF": (chunked(chunks(BODY, trailer=b"X-A: b\nX-C: d\r\n")), 400),
    "chunks of the limit": (chunked(chunks(*[padded(MAX_BODY)])), 404),
    "chunks of one more": (chunked(chunks(padded(MAX_BODY + 1))), 413),
    "65,536 chunks of one byte": (
        chunked(chunks(*(bytes([byte]) for byte in padded(65_536)))),
        404,
    ),
    # The request line.
    "lines that end with LF": (request(body=b"").replace(b"\r\n", b"\n"), 400),
    "the first line ends with LF": (request().replace(b"\r\n", b"\n", 1), 400),
    "CR alone": (request().replace(b"\r\n", b"\r", 1), 400),
    "HTTP/0.9": (b"GET /health\r\n\r\n", 400),
    "HTTP/1.2": (request(version="HTTP/1.2", method="GET", target="/health"), 200),
    "HTTP/2.0": (request(version="HTTP/2.0"), 400),
    "HTTP/1.11": (request(version="HTTP/1.11"), 400),
    "http/1.1": (request(version="http/1.1"), 400),
    "no version": (request(version=""), 400),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "TLS": (bytes.fromhex("16030100a5010000a10303") + b"a" * 40 + b"\r\n\r\n", 400),
    "two spaces": (request(method="POST "), 400),
    "a tab for a space": (request(method="GET\t/health"), 400),
    "a lower-case method": (request(method="get", target="/health"), 400),
    "a method with a bracket": (request(method="GE(T"), 400),
    "an unknown method": (request(method="BREW", target="/v1/models"), 405),
    "a method of 300 letters": (request(method="A" * 300), 400),
    "OPTIONS of everything": (request(method="OPTIONS", target="*"), 404),
    "OPTIONS": (request(method="OPTIONS", target="/v1/models"), 405),
    "TRACE": (request(method="TRACE", target="/v1/models"), 405),
    "CONNECT": (request(method="CONNECT", target="example.com:443"), 404),
    "DELETE": (request(method="DELETE", target="/v1/models"), 405),
    "a target of 5,000": (request(target="/" + "x" * 5000, method="GET"), 414),
    "a target of 1 MB": (request(target="/" + "x" * 10**6, method="GET"), 414),
    "the longest target": (request(target="/" + "x" * 4079, method="GET"), 404),
    "one more": (request(target="/" + "x" * 4081, method="GET"), 414),
    "no target": (b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a target with a NUL": (request(target="/a\0b", method="GET"), 400),
    "a target with a byte above 127": (request(target=b"/\xff", method="GET"), 400),
    "an absolute target": (
        request(target="http://elsewhere/health", method="GET"),
        200,
    ),
    "an absolute target of another kind": (
        request(target="file:///etc/passwd", method="GET"),
        404,
    ),
    "a trailing slash": (request(target="/v1/models/", method="GET"), 404),
    # Werkzeug takes several slashes at the beginning for one.
    "two slashes": (request(target="//v1/models", method="GET"), 200),
    "a host in the path": (request(target="//elsewhere/v1/models", method="GET"), 404),
    "dots": (request(target="/v1/../health", method="GET"), 404),
    "encoded dots": (request(target="/v1/%2e%2e/health", method="GET"), 404),
    "an encoded slash": (request(target="/v1%2fmodels", method="GET"), 200),
    "an encoded NUL": (request(target="/%00", method="GET"), 404),
    "an encoded CR and LF": (request(target="/%0d%0aSet-Cookie:%20a=b", method="GET"), 404),
    "half an escape": (request(target="/%2", method="GET"), 404),
    "a parameter": (request(target="/v1/models;a=b", method="GET"), 404),
    # The fields.
    "101 fields": (request(*(f"x-{n}: 1" for n in range(99)), method="GET"), 431),
    "100 fields": (
        request(*(f"x-{n}: 1" for n in range(98)), method="GET", target="/health"),
        200,
    ),
    "a field of 9 KiB": (request("x-a: " + "a" * 9216), 431),
    "a field of 1 MB": (request("x-a: " + "a" * 10**6), 431),
    "a name of 9 KiB": (request("x" * 9216 + ": a"), 431),
    "a NUL in a value": (request("x-a: a\0b"), 400),
    "a NUL in a name": (request("x\0a: b"), 400),
    "a CR in a value": (request("x-a: a\rb: c"), 400),
    "an LF in a value": (request("x-a: a\nx-b: c"), 400),
    "an escape in a value": (request("x-a: \x1b[31m"), 400),
    "a folded field": (request("x-a: b\r\n c"), 400),
    "a field without a colon": (request("hello"), 400),
    "a field without a name": (request(": hello"), 400),
    "a space in a name": (request("x a: b"), 400),
    "a space before the first name": (request(" x: b"), 400),
    "an underscore in a name": (request("Content_Length: 5"), 400),
    "a name beyond ASCII": (request("x-\xdf: b"), 400),
    "two hosts": (request("Host: y"), 400),
    "two content types": (request("Content-Type: text/plain"), 400),
    "expecting what is unknown": (request("Expect: 200-ok"), 417),
    "expecting to continue with too much": (sized(10 * 2**30, b"", "Expect: 100-continue"), 413),
    "expecting to continue": (sized(OK, BODY, "Expect: 100-continue"), 404),
    "an upgrade to HTTP/2": (
        request(
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
            method="GET",
            target="/health",
        ),
        200,
    ),
    "a websocket": (
        request("Connection: Upgrade", "Upgrade: websocket", method="GET", target="/health"),
        400,
    ),
    # Whose path is it?
    "another path in a header": (
        request("X-Original-URL: /health", "X-Rewrite-URL: /health", method="GET", target="/nope"),
        404,
    ),
    "another method in a header": (
        request("X-HTTP-Method-Override: GET", target="/v1/models"),
        405,
    ),
    "a host that is a path": (
        request(method="GET", target="/nope").replace(b"Host: x", b"Host: a/health?x"),
        404,
    ),
    # Bodies where none belongs.
    "GET with a body": (
        request("Content-Length: 5", body=b"12345", method="GET", target="/health"),
        200,
    ),
    "an unread body that is broken": (
        request(
            "Transfer-Encoding: chunked", body=b"zz\r\n" + SMUGGLED, method="POST", target="/nope"
        ),
        404,
    ),
    "an unread body with a request in it": (
        request(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED, target="/nope"),
        404,
    ),
    "nothing but line ends": (b"\r\n\r\n\r\n", 400),
    "zeros": (b"\0" * 5000, 414),
}
