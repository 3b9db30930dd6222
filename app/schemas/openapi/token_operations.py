"""The paths of tokens, which need no Triton."""

from __future__ import annotations

from app.schemas.openapi.generation_operations import CHAT, CONVERSATION
from app.schemas.openapi.operation import OF_BODIES, OF_PROMPTS, Operation

TOKENS = (
    Operation(
        path="/tokenize",
        id="create_tokens",
        tag="Tokens",
        summary="The tokens of a prompt or a conversation.",
        bodies=("TokenizeRequest",),
        answers=("Tokens",),
        kinds=OF_PROMPTS,
        examples={
            "prompt": {"model": CHAT, "prompt": "Hello, Triton", "return_token_strs": True},
            "conversation": CONVERSATION,
        },
    ),
    Operation(
        path="/detokenize",
        id="create_text",
        tag="Tokens",
        summary="The text of tokens.",
        bodies=("DetokenizeRequest",),
        answers=("Detokenized",),
        kinds=OF_BODIES,
        examples={"ids": {"model": CHAT, "tokens": [0, 834, 15, 769]}},
    ),
)
