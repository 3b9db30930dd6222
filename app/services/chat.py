"""https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from app import offload
from app.errors import ModelNotSupported, UnsupportedParameter
from app.prompting.chat import encode_chat
from app.services.answers import Envelope, Event, EventStream, fold
from app.services.catalogue import LanguageModel
from app.services.generation import Chunks, Continuation, generate, plan
from app.services.input_checks import check_length, count_characters, is_long
from app.types import ChatRequest, Chunk, RequestContext, Usage


class Chat:
    """One request to a model. Making it raises every error that needs no backend."""

    def __init__(self, model: LanguageModel, request: ChatRequest, role: str) -> None:
        self._model = model
        self._request = request
        self._role = role
        ids = self._prompt_ids()
        default = model.spec.facts.max_tokens
        max_tokens = plan(model, ids, request.max_tokens, default, "messages")
        self._continuation = Continuation(ids, max_tokens)

    def whole(self, context: RequestContext, patience: float) -> Event:
        """The answer at once."""
        choice = fold(self._chunks(context, patience), 1)[0]
        message = {"role": self._role, "content": choice.text, "refusal": None}
        envelope = Envelope("chatcmpl", "chat.completion", self._request.model)
        return {
            **envelope.wrap(
                [
                    {
                        "index": 0,
                        "message": message,
                        "logprobs": None,
                        "finish_reason": choice.finish_reason,
                        "stop_reason": choice.stop_reason,
                    }
                ]
            ),
            "usage": Usage(self._num_prompt_tokens, choice.num_tokens).as_dict(),
        }

    def events(
        self, context: RequestContext, patience: float
    ) -> Generator[Event | None, None, None]:
        """The answer as stream events: the role, the content, the finish reason."""
        stream = EventStream(
            self._chunks(context, patience),
            Envelope("chatcmpl", "chat.completion.chunk", self._request.model),
            self._request,
            self._num_prompt_tokens,
            1,
        )
        opening = [_delta(0, {"role": self._role, "content": ""})]
        return stream.events(opening, _stream_choices)

    @property
    def _num_prompt_tokens(self) -> int:
        return len(self._continuation.prompt_ids)

    def _chunks(self, context: RequestContext, patience: float) -> Chunks:
        self._model.backend.check_sampling(self._request.sampling)
        return generate(self._model, [self._continuation], self._request, context, patience)

    def _prompt_ids(self) -> list[int]:
        request = self._request
        size = count_characters(request.messages)
        check_length(size, self._model.spec.max_model_len, "messages")
        self._check_template_kwargs()
        size += count_characters([request.documents, request.template_kwargs])
        return offload.run_if(is_long(size), self._encode)

    def _encode(self) -> list[int]:
        model, request = self._model, self._request
        if model.template is None:
            raise ModelNotSupported(
                f"the model {request.model!r} has no chat template; use /v1/completions",
                param="model",
            )
        documents = request.documents
        return encode_chat(
            model.tokenizer,
            model.template,
            request.messages,
            special_tokens_in_content=model.spec.special_tokens_in_content,
            add_generation_prompt=request.add_generation_prompt
            and not request.continue_final_message,
            continue_final_message=request.continue_final_message,
            documents=None if documents is None else list(documents),
            template_kwargs=request.template_kwargs,
        )

    def _check_template_kwargs(self) -> None:
        allowed = self._model.spec.template_kwargs
        for name in self._request.template_kwargs:
            if name not in allowed:
                known = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
                param = f"chat_template_kwargs.{name[:64]}"
                raise UnsupportedParameter(
                    f"{param} is not allowed for this model; {known}", param=param
                )


def _stream_choices(chunk: Chunk) -> list[Event]:
    choices = []
    if chunk.text:
        choices.append(_delta(chunk.index, {"content": chunk.text}))
    if chunk.finish_reason is not None:
        choices.append(
            {
                **_delta(chunk.index, {}),
                "finish_reason": chunk.finish_reason,
                "stop_reason": chunk.stop_reason,
            }
        )
    return choices


def _delta(index: int, delta: dict[str, Any]) -> Event:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
