"""The FastAPI baseline's application: chats as streams and whole, cancelled on disconnect."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from typing import Any, TypeVar

import grpc
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError

from benchmarks.peers.chat_models import Answer, AnswerMessage, ChatRequest, Choice
from benchmarks.peers.chunk_writers import DONE, WRITERS, Names
from benchmarks.peers.fastapi_generation import Engine, Generation, Settings
from benchmarks.peers.fastertransformer import ModelError

VARIABLE = "FASTAPI_BASELINE"
"""The environment variable that hands the settings to uvicorn's workers."""

T = TypeVar("T")


def exported(settings: Settings) -> dict[str, str]:
    """The settings as an environment variable."""
    return {VARIABLE: json.dumps(asdict(settings))}


def create() -> FastAPI:
    """The application with the settings of the environment variable."""
    settings = Settings(**json.loads(os.environ[VARIABLE]))
    app = FastAPI(lifespan=_lifespan)
    app.state.settings = settings
    app.add_api_route("/v1/chat/completions", chat, methods=["POST"], response_model=None)
    app.add_api_route("/health", health)
    app.add_exception_handler(ValueError, _bad_request)
    app.add_exception_handler(ValidationError, _bad_request)
    app.add_exception_handler(grpc.RpcError, _bad_gateway)
    app.add_exception_handler(ModelError, _bad_gateway)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.engine = Engine(app.state.settings)
    yield
    await app.state.engine.channel.close()


async def health() -> dict[str, str]:
    """Ready once the tokenizer is loaded."""
    return {"status": "ok"}


async def chat(request: Request) -> Response:
    """OpenAI's chat completions."""
    body = ChatRequest.model_validate_json(await request.body())
    engine: Engine = request.app.state.engine
    generation = engine.generation(body)
    if body.stream:
        events = _events(generation, body, engine.settings.json)
        return StreamingResponse(events, media_type="text/event-stream")
    text = await _unless_gone(request, generation.whole())
    return Response(status_code=499) if text is None else _answer(generation, body, text)


async def _events(generation: Generation, body: ChatRequest, flavour: str) -> AsyncIterator[Any]:
    writer = WRITERS[flavour](Names(body.model))
    yield writer.delta({"role": "assistant", "content": ""})
    try:
        async with aclosing(generation.texts()) as texts:
            async for text in texts:
                yield writer.delta({"content": text})
    except (grpc.RpcError, ModelError) as error:
        yield f"data: {json.dumps(_error(str(error)))}\n\n"
        return
    yield writer.delta({}, generation.finish_reason)
    if body.stream_options.include_usage:
        yield writer.usage(generation.usage)
    yield DONE


def _answer(generation: Generation, body: ChatRequest, text: str) -> Response:
    names = Names(body.model)
    message = AnswerMessage(content=text)
    answer = Answer(
        id=names.id,
        created=names.created,
        model=names.model,
        choices=[Choice(message=message, finish_reason=generation.finish_reason)],
        usage=generation.usage,
    )
    return Response(answer.model_dump_json(), media_type="application/json")


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result; None, and the work cancelled, if the client goes before."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _bad_request(_: Request, error: Exception) -> Response:
    return JSONResponse(_error(str(error)), status_code=400)


async def _bad_gateway(_: Request, error: Exception) -> Response:
    return JSONResponse(_error(str(error)), status_code=502)


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
