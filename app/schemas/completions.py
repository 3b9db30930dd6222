"""https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.schemas.fields import Flag, optional
from app.schemas.generation import GenerationSchema, common_values, max_tokens_field
from app.schemas.prompts import Prompts
from app.schemas.unsupported import COMPLETION_FIELDS, SAMPLING_FIELDS
from app.types import CompletionRequest

MAX_PROMPTS = 128


class CompletionSchema(
    GenerationSchema.from_dict({**SAMPLING_FIELDS, **COMPLETION_FIELDS})  # type: ignore[misc]  # made at run time
):
    """Gives a `CompletionRequest`."""

    order = (
        "model",
        "prompt",
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "max_tokens",
        "n",
        "presence_penalty",
        "seed",
        "stop",
        "stream",
        "stream_options",
        "suffix",
        "temperature",
        "top_p",
    )

    prompt = Prompts(most=MAX_PROMPTS, may_be_empty=True, required=True)
    echo = optional(Flag, default=False)
    max_tokens = max_tokens_field(minimum=0)

    @validates_schema(skip_on_field_errors=True)
    def check_max_tokens(self, data: Mapping[str, Any], **_: Any) -> None:
        """Nothing to generate makes sense only where the prompt comes back."""
        if data["max_tokens"] == 0 and not data["echo"]:
            raise ValidationError("must be 1 or more unless echo is true, but was 0", "max_tokens")

    @post_load
    def as_request(self, data: Mapping[str, Any], **_: Any) -> CompletionRequest:
        """The frozen request."""
        return CompletionRequest(
            prompts=data["prompt"],
            echo=data["echo"],
            max_tokens=data["max_tokens"],
            **common_values(data),
        )
