"""The paths that language models answer."""

from __future__ import annotations

from app.schemas.openapi.operation import OF_MODELS, OF_PROMPTS, Operation

CHAT = "demo-chat"
QUESTION = {"role": "user", "content": "What is 7 + 5?"}
CONVERSATION = {"model": CHAT, "messages": [QUESTION]}
GENERATION = (
    Operation(
        path="/v1/chat/completions",
        id="create_chat_completion",
        tag="Chat",
        summary="Answer a conversation.",
        bodies=("ChatRequest",),
        answers=("ChatCompletion",),
        stream="ChatCompletionChunk",
        kinds=OF_MODELS,
        examples={
            "question": {**CONVERSATION, "temperature": 0},
            "logprobs": {**CONVERSATION, "max_tokens": 3, "logprobs": True},
            "several": {**CONVERSATION, "n": 2, "seed": 1, "stop": ["."]},
            "stream": {**CONVERSATION, "stream": True, "stream_options": {"include_usage": True}},
        },
    ),
    Operation(
        path="/v1/completions",
        id="create_completion",
        tag="Completions",
        summary="Continue prompts.",
        bodies=("CompletionRequest",),
        answers=("Completion",),
        stream="CompletionChunk",
        kinds=OF_MODELS,
        examples={
            "prompt": {"model": CHAT, "prompt": "Once upon a time", "max_tokens": 8},
            "logprobs": {"model": CHAT, "prompt": ["One", "Two"], "max_tokens": 3, "logprobs": 0},
            "stream": {"model": CHAT, "prompt": "Once", "max_tokens": 8, "stream": True},
        },
    ),
    Operation(
        path="/v1/responses",
        id="create_response",
        tag="Responses",
        summary="Answer an input; nothing is stored.",
        bodies=("ResponseRequest",),
        answers=("Response",),
        stream="ResponseEvent",
        kinds=OF_MODELS,
        examples={
            "question": {"model": CHAT, "input": "What is 7 + 5?"},
            "stream": {"model": CHAT, "input": [QUESTION], "stream": True},
        },
    ),
    Operation(
        path="/v1/messages",
        id="create_message",
        tag="Messages",
        summary="Answer a conversation in Anthropic's form.",
        bodies=("MessageRequest",),
        answers=("Message",),
        stream="MessageEvent",
        kinds=OF_MODELS,
        error_forms=("AnthropicError",),
        examples={
            "question": {**CONVERSATION, "max_tokens": 100},
            "stream": {**CONVERSATION, "max_tokens": 100, "stream": True},
        },
    ),
    Operation(
        path="/v1/messages/count_tokens",
        id="count_message_tokens",
        tag="Messages",
        summary="Count the tokens of a conversation.",
        bodies=("CountTokensRequest",),
        answers=("TokenCount",),
        kinds=OF_PROMPTS,
        error_forms=("AnthropicError",),
        examples={"question": CONVERSATION},
    ),
)
