"""openai-python, synchronous and asynchronous, when answers fail.

Arguments: the server's address, a name for request ids, and a list of cases as JSON:

    {"name": ..., "model": ..., "stream": false, "retries": 2, "timeout": 60, "leaves": false}

All cases run at once. A stream says "streaming" on its first chunk; every case "ended" at its end.

https://github.com/openai/openai-python#handling-errors
"""

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor

from openai import AsyncOpenAI, OpenAI

URL, NAME, CASES = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
# Without the penalty the demo's model may be at its end before something fails.
QUESTION = {
    "prompt": "Once upon a time",
    "max_tokens": 900,
    "temperature": 0,
    "extra_body": {"repetition_penalty": 1.3},
}


def options(case: dict, way: str) -> dict:
    headers = {"X-Request-Id": f"{NAME}-{way}-{case['name']}"}
    more = {"extra_headers": headers, "timeout": case.get("timeout", 60)}
    return {**QUESTION, **more, "model": case["model"], "stream": case.get("stream", False)}


def failed(problem: Exception, chunks: list) -> dict:
    body = problem.body if isinstance(getattr(problem, "body", None), dict) else {}
    return {
        "errors": [kind.__name__ for kind in type(problem).__mro__],
        "status": getattr(problem, "status_code", None),
        "code": getattr(problem, "code", None) or body.get("code"),
        "request_id": getattr(problem, "request_id", None),
        **received(chunks),
    }


def received(chunks: list) -> dict:
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    finish = [choice.finish_reason for choice in choices if choice.finish_reason]
    return {"chunks": len(choices), "finish_reasons": finish}


def note(chunks: list, chunk: object) -> None:
    chunks.append(chunk)
    if len(chunks) == 1:
        print("streaming", flush=True)


def ended(answer: dict) -> dict:
    print("ended", flush=True)
    return answer


def ask(client: OpenAI, case: dict) -> dict:
    chunks: list = []
    api = client.with_options(max_retries=case.get("retries", 2)).completions
    try:
        if case.get("raw"):
            answer = api.with_raw_response.create(**options(case, "sync"))
            return {"status": answer.status_code, "request_id": answer.headers["x-request-id"]}
        answer = api.create(**options(case, "sync"))
        for chunk in answer if case.get("stream") else [answer]:
            note(chunks, chunk)
            if case.get("leaves"):
                answer.close()
                break
    except Exception as problem:
        return failed(problem, chunks)
    return {"errors": [], **received(chunks)}


async def ask_async(client: AsyncOpenAI, case: dict) -> dict:
    chunks: list = []
    api = client.with_options(max_retries=case.get("retries", 2)).completions
    try:
        if case.get("raw"):
            answer = await api.with_raw_response.create(**options(case, "async"))
            return {"status": answer.status_code, "request_id": answer.headers["x-request-id"]}
        answer = await api.create(**options(case, "async"))
        if not case.get("stream"):
            return {"errors": [], **received([answer])}
        async for chunk in answer:
            note(chunks, chunk)
            if case.get("leaves"):
                await answer.close()
                break
    except Exception as problem:
        return failed(problem, chunks)
    return {"errors": [], **received(chunks)}


def use_sync() -> dict:
    with OpenAI(base_url=f"{URL}/v1", api_key="none") as client, ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda case: ended(ask(client, case)), CASES))
    return {case["name"]: answer for case, answer in zip(CASES, answers, strict=True)}


async def ask_until_end(client: AsyncOpenAI, case: dict) -> dict:
    return ended(await ask_async(client, case))


async def use_async() -> dict:
    async with AsyncOpenAI(base_url=f"{URL}/v1", api_key="none") as client:
        answers = await asyncio.gather(*(ask_until_end(client, case) for case in CASES))
    return {case["name"]: answer for case, answer in zip(CASES, answers, strict=True)}


with ThreadPoolExecutor(1) as pool:
    sync = pool.submit(use_sync)
    asynchronous = asyncio.run(use_async())
print(json.dumps({"sync": sync.result(), "async": asynchronous}))
