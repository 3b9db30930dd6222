"""LangChain's ChatOpenAI when answers fail. Arguments and cases as in openai_failures.py.

https://docs.langchain.com/oss/python/integrations/chat/openai
"""

import asyncio
import json
import sys

from langchain_openai import ChatOpenAI

URL, NAME, CASES = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
QUESTION = "Tell me a story about a cat."


async def ask(case: dict) -> dict:
    llm = ChatOpenAI(
        model=case["model"],
        base_url=f"{URL}/v1",
        api_key="none",
        max_tokens=900,
        temperature=0,
        extra_body={"repetition_penalty": 1.3},
        max_retries=case.get("retries", 2),
        default_headers={"X-Request-Id": f"{NAME}-{case['name']}"},
    )
    chunks = []
    try:
        if not case.get("stream"):
            chunks.append(await llm.ainvoke(QUESTION))
            return {"errors": [], "chunks": 1}
        async for chunk in llm.astream(QUESTION):
            chunks.append(chunk)
            if len(chunks) == 1:
                print("streaming", flush=True)
    except Exception as problem:
        finish = [each.response_metadata.get("finish_reason") for each in chunks]
        return {
            "errors": [kind.__name__ for kind in type(problem).__mro__],
            "status": getattr(problem, "status_code", None),
            "code": getattr(problem, "code", None),
            "request_id": getattr(problem, "request_id", None),
            "chunks": len(chunks),
            "finish_reasons": [reason for reason in finish if reason],
        }
    return {"errors": [], "chunks": len(chunks)}


async def ask_until_end(case: dict) -> dict:
    answer = await ask(case)
    print("ended", flush=True)
    return answer


async def ask_all() -> dict:
    answers = await asyncio.gather(*map(ask_until_end, CASES))
    return {case["name"]: answer for case, answer in zip(CASES, answers, strict=True)}


print(json.dumps(asyncio.run(ask_all())))
