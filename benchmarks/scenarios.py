"""Everything that is measured, as data."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from benchmarks.loads import MEGABYTE, Chat, Embeddings, Load, Rerank
from benchmarks.plans import (
    BARE,
    BARE_ENCODER,
    BARE_UVLOOP,
    BASELINE,
    BASELINE_ORJSON,
    CEILING,
    EMBEDDER,
    GATEWAY,
    GATEWAY_2,
    INFINITY,
    LITELLM,
    MODELS_10,
    MODELS_50,
    PACED,
    RERANKER,
    ROUTER,
    STEADY,
    UNPACED,
    Point,
    Scenario,
)

CONNECTIONS = (1, 16, 64, 256, 1000)
STEADY_TOKENS, ONE_TOKEN_WAVES = 1000, 60
STREAM_TRIO = (BARE, GATEWAY, BASELINE_ORJSON)
ALL_STREAMS = (BARE, BARE_UVLOOP, GATEWAY, BASELINE_ORJSON, BASELINE)


def _growing(loads: Iterable[tuple[float, Load]], subjects: tuple[str, ...]) -> Iterator[Point]:
    for x, load in loads:
        yield Point(label=f"{x:g}", x=x, load=load, subjects=subjects)


def _unpaced(connections: int, max_tokens: int = 128, prompt_tokens: int = 32) -> Chat:
    return Chat(
        model=UNPACED,
        connections=connections,
        max_tokens=max_tokens,
        prompt_tokens=prompt_tokens,
    )


def _paced(connections: int, max_tokens: int = 40) -> Chat:
    """Streams that start one after another: time to first token is not that of a crowd."""
    return Chat(
        model=PACED,
        connections=connections,
        max_tokens=max_tokens,
        requests=connections,
        ramp=max(1.5, connections / 300),
    )


def _open(*subjects: str) -> Point:
    """64 streams that are all open while CPU is taken; 512 tokens would take 26 s."""
    load = replace(_paced(64, 512), requests=None, ramp=1.5, seconds=5.0)
    return Point(label="64", x=64, load=load, subjects=subjects, is_steady=True)


def _even(max_tokens: int) -> Chat:
    """16 streams that make 8,000 tokens a second together, however long their answers are."""
    waves = max(1, round(STEADY_TOKENS / max_tokens)) if max_tokens > 1 else ONE_TOKEN_WAVES
    return Chat(model=STEADY, connections=16, max_tokens=max_tokens, requests=16 * waves)


def _embeddings(strings: int, tokens: int, encoding: str) -> Point:
    load = Embeddings(
        model=EMBEDDER,
        connections=16 if strings < 256 else 4,
        strings=strings,
        tokens=tokens,
        encoding="base64" if encoding == "base64" else "float",
    )
    bare = (BARE_ENCODER,) if encoding == "base64" or (strings, tokens) == (32, 64) else ()
    peer = (INFINITY,) if (strings, tokens) == (32, 64) else ()
    label = f"{strings} × {tokens} tokens, {encoding}"
    return Point(label=label, load=load, subjects=(*bare, GATEWAY, *peer))


_WHOLE = replace(_unpaced(64), is_streamed=False)
_READER = replace(_unpaced(100, 128), seconds=2.5)
_REAL_PACE = _paced(100)
_MEGABYTES = Chat(
    model=UNPACED,
    connections=4,
    requests=8,
    max_tokens=1,
    prompt_bytes=MEGABYTE,
    is_streamed=False,
)

SCENARIOS = (
    Scenario(
        name="ceiling",
        title="What the mock serves when nobody works with it",
        axis="answers",
        points=(
            Point(label="64 streams", load=_unpaced(64, 512), subjects=(CEILING,)),
            Point(label="1000 streams", load=_unpaced(1000), subjects=(CEILING,)),
        ),
    ),
    Scenario(
        name="unpaced",
        title="Streams as fast as they can: 32 tokens in, 128 out",
        axis="connections",
        points=tuple(_growing(((n, _unpaced(n)) for n in CONNECTIONS), STREAM_TRIO)),
    ),
    Scenario(
        name="shapes",
        title="Streams as fast as they can at 64 connections",
        axis="tokens in and out",
        points=(
            Point(label="32 in, 512 out", load=_unpaced(64, 512), subjects=ALL_STREAMS),
            Point(label="2,000 in, 128 out", load=_unpaced(64, 128, 2000), subjects=STREAM_TRIO),
        ),
    ),
    Scenario(
        name="paced",
        title="Streams at a reader's pace, 20 tokens a second each",
        axis="connections",
        points=(
            *_growing(((n, _paced(n)) for n in CONNECTIONS if n < 64), (BARE, GATEWAY)),
            *_growing(((n, _paced(n)) for n in CONNECTIONS if n >= 64), STREAM_TRIO),
        ),
    ),
    Scenario(
        name="paced-real",
        title="64 open streams at 20 tokens a second each on the real tritonserver",
        axis="connections",
        backend="triton",
        points=(_open(BARE, GATEWAY, BASELINE, BASELINE_ORJSON),),
    ),
    Scenario(
        name="steady",
        title="64 open streams at 20 tokens a second each",
        axis="connections",
        points=(_open(BARE, GATEWAY, BASELINE, BASELINE_ORJSON, LITELLM),),
    ),
    Scenario(
        name="workers",
        title="Two workers",
        axis="load",
        points=(
            # First, so that nothing has grown yet.
            Point(label="1,000 paced", load=_paced(1000, 100), subjects=(GATEWAY_2,), weighs=True),
            Point(label="64 unpaced", load=_unpaced(64, 512), subjects=(GATEWAY, GATEWAY_2)),
        ),
    ),
    Scenario(
        name="whole",
        title="Whole answers",
        axis="load",
        points=(
            Point(label="64 connections", load=_WHOLE, subjects=(GATEWAY, BASELINE_ORJSON)),
            Point(
                label="2,000 requests, 200 at once",
                load=replace(_WHOLE, connections=200, requests=2000, max_tokens=16),
                subjects=(GATEWAY, BASELINE_ORJSON),
            ),
        ),
    ),
    Scenario(
        name="streamed-or-whole",
        title="Streamed against whole at 100 connections",
        axis="answers",
        points=(
            Point(label="streamed, unpaced", load=_READER, subjects=(GATEWAY, BASELINE_ORJSON)),
            Point(
                label="whole, unpaced",
                load=replace(_READER, is_streamed=False),
                subjects=(GATEWAY, BASELINE_ORJSON),
            ),
            Point(label="streamed, paced", load=_REAL_PACE, subjects=(GATEWAY,)),
            Point(
                label="whole, paced",
                load=replace(_REAL_PACE, is_streamed=False),
                subjects=(GATEWAY,),
            ),
        ),
    ),
    Scenario(
        name="output-length",
        title="Longer answers: 16 streams, 8,000 tokens a second together",
        axis="tokens out",
        points=tuple(_growing(((n, _even(n)) for n in (1, 64, 256, 1024, 2048)), (BARE, GATEWAY))),
    ),
    Scenario(
        name="prompt-length",
        title="Longer prompts: 16 streams of 16 tokens",
        axis="tokens in",
        points=tuple(
            _growing(((n, _unpaced(16, 16, n)) for n in (32, 500, 2000, 8000)), (GATEWAY,))
        ),
    ),
    Scenario(
        name="models",
        title="More models in the configuration: whole answers of one token",
        axis="models",
        points=tuple(
            Point(
                label=f"{x}",
                x=x,
                load=replace(_WHOLE, connections=16, max_tokens=1),
                subjects=(subject,),
            )
            for x, subject in ((1, GATEWAY), (10, MODELS_10), (50, MODELS_50))
        ),
    ),
    Scenario(
        name="lag",
        title="How long the event loop is held",
        axis="load",
        points=(
            Point(
                label="1 MB prompts among 16 paced streams",
                load=_paced(16, 80),
                background=_MEGABYTES,
                subjects=(GATEWAY, BASELINE_ORJSON),
                probes=True,
            ),
            Point(label="64 paced streams", load=_paced(64), subjects=(GATEWAY,), probes=True),
            Point(label="64 unpaced streams", load=_unpaced(64), subjects=(GATEWAY,), probes=True),
        ),
    ),
    Scenario(
        name="embeddings",
        title="Embeddings with 1,024 dimensions",
        axis="input",
        points=tuple(
            _embeddings(strings, tokens, encoding)
            for strings in (1, 32, 256)
            for tokens in (64, 512)
            for encoding in ("base64", "float")
        ),
    ),
    Scenario(
        name="rerank",
        title="Reranking 100 documents",
        axis="input",
        points=(
            Point(
                label="100 documents of 64 tokens",
                load=Rerank(model=RERANKER, connections=8, documents=100),
                subjects=(BARE_ENCODER, GATEWAY, INFINITY),
            ),
        ),
    ),
    Scenario(
        name="hops",
        title="What a proxy in front costs",
        axis="load",
        points=(
            Point(
                label="16 unpaced streams",
                load=_unpaced(16),
                subjects=(GATEWAY, ROUTER, LITELLM),
            ),
        ),
    ),
)
