"""openai-python, used as its documentation shows, synchronous and asynchronous.

https://github.com/openai/openai-python
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from demo.counters import Counters
from tests.live.http import Server
from tests.live.waiting import wait_until

MODEL = "demo-chat"
EMBEDDER = "all-minilm-l6-v2"
MESSAGES: list[Any] = [{"role": "user", "content": "你好"}]
# More than a minute of work.
STORY: dict[str, Any] = {
    "model": "ft-slow",
    "prompt": "Once upon a time",
    "max_tokens": 1500,
    "temperature": 0,
    "extra_body": {"repetition_penalty": 1.3},
}


@pytest.fixture(scope="module")
def client(gateway: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_models(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == MODEL
    assert client.models.retrieve(EMBEDDER).id == EMBEDDER


def test_chat_whole_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0)
    pieces = []
    with client.chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0, stream=True
    ) as stream:
        for chunk in stream:
            pieces.append(chunk.choices[0].delta.content or "")
    assert "".join(pieces) == whole.choices[0].message.content
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_the_stream_helper_builds_the_same_answer(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0)
    with client.chat.completions.stream(
        model=MODEL, messages=MESSAGES, temperature=0, stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"
    assert final.usage == whole.usage


def test_completions_of_several_prompts(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL, prompt=["Once upon a time", "One day"], max_tokens=8, temperature=0, echo=True
    )
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.choices[1].text.startswith("One day")
    stream = client.completions.create(
        model=MODEL, prompt="Once upon a time", max_tokens=8, temperature=0, stream=True
    )
    text = "".join(chunk.choices[0].text for chunk in stream)
    assert answer.choices[0].text == "Once upon a time" + text


def test_stop_strings(client: openai.OpenAI) -> None:
    request: Any = {"model": MODEL, "prompt": "Once upon a time", "temperature": 0}
    text = client.completions.create(**request, max_tokens=24).choices[0].text
    stop = text[10:13]
    cut = client.completions.create(**request, max_tokens=24, stop=[stop, "nowhere"])
    assert cut.choices[0].text == text[: text.index(stop)]
    assert cut.choices[0].finish_reason == "stop"
    stream = client.completions.create(**request, max_tokens=24, stop=stop, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == cut.choices[0].text


def test_usage_at_the_end_of_a_stream(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert (chunks[-1].choices, chunks[-1].usage) == ([], whole.usage)


def test_dimensions_shorten_an_embedding(client: openai.OpenAI) -> None:
    whole = client.embeddings.create(model=EMBEDDER, input="hello").data[0].embedding
    short = client.embeddings.create(model=EMBEDDER, input="hello", dimensions=64).data[0].embedding
    length = math.hypot(*whole[:64])
    assert short == pytest.approx([value / length for value in whole[:64]], abs=1e-6)


def test_token_ids_as_input(client: openai.OpenAI) -> None:
    ids = [101, 7592, 102]
    answer = client.embeddings.create(model=EMBEDDER, input=[ids, ids[:1]])
    assert [len(each.embedding) for each in answer.data] == [384, 384]
    completion = client.completions.create(model=MODEL, prompt=[[1, 5, 6], [1, 7]], max_tokens=4)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 5


def test_embeddings_as_base64_by_default_and_as_floats(client: openai.OpenAI) -> None:
    # openai-python asks for base64 unless told otherwise, and decodes it.
    default = client.embeddings.create(model=EMBEDDER, input=["hello", "world"])
    floats = client.embeddings.create(
        model=EMBEDDER, input=["hello", "world"], encoding_format="float"
    )
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert math.fsum(value**2 for value in one.embedding) == pytest.approx(1, abs=1e-4)


def test_errors_are_typed_and_carry_code_and_param(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=10**6)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError) as unsupported:
        client.chat.completions.create(
            model=MODEL, messages=MESSAGES, response_format={"type": "json_object"}
        )
    assert (unsupported.value.code, unsupported.value.param) == (
        "unsupported_parameter",
        "response_format",
    )


def test_the_request_id_comes_back(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, extra_headers={"x-request-id": "my-own.id:7"}
    )
    assert raw.headers["x-request-id"] == "my-own.id:7"
    assert raw.headers["openai-processing-ms"].isdigit()


def test_a_closed_stream_ends_the_generation(
    client: openai.OpenAI, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    stream = client.completions.create(**STORY, stream=True)
    next(iter(stream))
    stream.close()
    wait_until(lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation")
    assert counters("ft-slow").completed == before.completed


def test_a_timeout_ends_the_generation(
    client: openai.OpenAI, counters: Callable[[str], Counters]
) -> None:
    before = counters("ft-slow")
    # A busy machine may not have begun when a short time is over.
    for seconds in (1.0, 5.0, 25.0):
        with pytest.raises(openai.APITimeoutError):
            client.with_options(timeout=seconds).completions.create(**STORY)
        if counters("ft-slow").started > before.started:
            break

    def num_running() -> int:
        now = counters("ft-slow")
        begun, cancelled = now.started - before.started, now.cancelled - before.cancelled
        return begun - cancelled if begun else 1

    # Also of what began only after its client had left.
    wait_until(lambda: not num_running(), "the cancellation")


def test_a_cancelled_task_ends_the_generation(
    gateway: Server, counters: Callable[[str], Counters]
) -> None:
    async def leave() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="none", max_retries=0
        ) as client:
            asked = asyncio.create_task(client.completions.create(**STORY))
            while counters("ft-slow").started == before.started:
                await asyncio.sleep(0.05)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    before = counters("ft-slow")
    asyncio.run(leave())
    wait_until(lambda: counters("ft-slow").cancelled == before.cancelled + 1, "the cancellation")


def test_the_asynchronous_client(gateway: Server) -> None:
    async def use() -> None:
        async with openai.AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key="none", max_retries=0
        ) as client:
            names = [model.id async for model in client.models.list()]
            assert MODEL in names
            whole, other = await asyncio.gather(
                client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0),
                client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0),
            )
            assert whole.choices == other.choices
            stream = await client.chat.completions.create(
                model=MODEL, messages=MESSAGES, temperature=0, stream=True
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
            assert text == whole.choices[0].message.content
            embedded = await client.embeddings.create(model=EMBEDDER, input="hello")
            assert len(embedded.data[0].embedding) == 384

    asyncio.run(use())
