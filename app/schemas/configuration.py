"""The file that lists the models, and the keys of its entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load

from app.errors import Problem
from app.schemas.configuration_fields import (
    ExtraInputs,
    FimTemplate,
    InputConfig,
    MaskPositions,
    Urls,
)
from app.schemas.fields import (
    Choice,
    Flag,
    Integer,
    Items,
    Number,
    Text,
    optional,
)
from app.types import REASONING_PARSERS, TOOL_CALL_PARSERS

LANGUAGE_BACKENDS = ("fastertransformer", "tensorrt_llm", "vllm")
WORD_ROW = Items(Integer(minimum=-1, maximum=2**31 - 1), least=0, most=65536)


class ConfigurationSchema(Schema):
    """A section whose unknown keys are mistakes."""

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # Its keys are known only here, and the message names them.
        self.error_messages = {
            **self.error_messages,
            "unknown": "is not a known key; known are " + ", ".join(self.load_fields),
            "type": "must be an object",
        }

    @pre_load
    def without_nulls(self, entry: Any, **_: Any) -> Any:
        """A key whose value is null says as much as no key."""
        if not isinstance(entry, dict):
            return entry
        return {key: value for key, value in entry.items() if value is not None}


class TimeoutsSchema(ConfigurationSchema):
    """Seconds."""

    connect = optional(Number, above=0, default=1.0)
    first_token = optional(Number, above=0, default=60.0)
    between_tokens = optional(Number, above=0, default=30.0)
    total = optional(Number, above=0, default=600.0)


class ModelInfoSchema(ConfigurationSchema):
    """Generation facts and defaults of a language model."""

    name = Text(shortest=1, required=True)
    start_id = optional(Integer, minimum=-(2**31), maximum=2**32 - 1)
    end_id = optional(Integer, minimum=-(2**31), maximum=2**32 - 1)
    max_len = optional(Integer, minimum=1, maximum=2**31 - 1)
    bad_words = optional(Items, WORD_ROW, least=0, most=65536, default=())
    stop_words = optional(Items, WORD_ROW, least=0, most=65536, default=())
    temperature = optional(Number, minimum=0, maximum=2)
    repetition_penalty = optional(Number, above=0)
    top_k = optional(Integer, minimum=-1, maximum=2**31 - 1)
    top_p = optional(Number, minimum=0, maximum=1)
    max_tokens = optional(Integer, minimum=1, maximum=2**31 - 1)
    mask_positions = optional(MaskPositions)
    extra_inputs = optional(ExtraInputs, default={})


class ServedSchema(ConfigurationSchema):
    """What the entries of all kinds of models share."""

    name = Text(shortest=1, longest=256, required=True)
    url = Urls(required=True)
    path = Text(shortest=1, required=True)
    triton_model = optional(Text, shortest=1)
    triton_version = optional(Text)
    trust_remote_code = optional(Flag, default=False)
    timeouts = fields.Nested(TimeoutsSchema, load_default=lambda: TimeoutsSchema().load({}))
    max_inflight = optional(Integer, minimum=1, maximum=100000, default=256)
    max_queue = optional(Integer, minimum=0, maximum=100000, default=256)
    max_queue_wait = optional(Number, minimum=0, maximum=3600, default=2.0)


class LanguageModelSchema(ServedSchema):
    """A language model, reached over gRPC."""

    chat_template = optional(Text)
    backend = optional(Choice, *LANGUAGE_BACKENDS, default="fastertransformer")
    cancel = optional(Choice, "rpc", "drain")
    template_kwargs = optional(Items, Text(shortest=1), least=0, most=64, default=())
    special_tokens_in_content = optional(Flag, default=False)
    batch_size = optional(Integer, minimum=1, maximum=1024)
    adds_special_tokens = optional(Flag)
    structured_output_key = optional(Choice, "structured_outputs", "guided_decoding")
    tool_call_parser = optional(Choice, *TOOL_CALL_PARSERS)
    reasoning_parser = optional(Choice, *REASONING_PARSERS)
    fim_template = optional(FimTemplate)


class OutputSchema(ConfigurationSchema):
    """Which output is read, and what becomes of it."""

    name = optional(Text, shortest=1)
    data_type = optional(Text)


class EmbeddingOutputSchema(OutputSchema):
    """Pooling of the token vectors."""

    process = optional(Choice, "cls", "mean", "none")


class RerankOutputSchema(OutputSchema):
    """Activation of the logits."""

    process = optional(Choice, "normalize", "softmax", "none")


def _output(schema: type[ConfigurationSchema]) -> Any:
    return fields.Nested(schema, load_default=lambda: schema().load({}))


class EmbeddingModelSchema(ServedSchema):
    """An embedding model, reached over HTTP."""

    max_tokens = optional(Integer, minimum=3, maximum=2**31 - 1)
    input_config = optional(InputConfig, default={})
    output_config = _output(EmbeddingOutputSchema)
    normalize = optional(Flag)
    token_input = optional(Choice, "model_ids", "cl100k", "reject", default="model_ids")


class RerankModelSchema(ServedSchema):
    """A cross-encoder, reached over HTTP."""

    max_tokens = optional(Integer, minimum=6, maximum=2**31 - 1)
    input_config = optional(InputConfig, default={})
    output_config = _output(RerankOutputSchema)


SECTIONS: Mapping[str, type[ConfigurationSchema]] = {
    "model_infos": ModelInfoSchema,
    "llm": LanguageModelSchema,
    "embedding": EmbeddingModelSchema,
    "rerank": RerankModelSchema,
}

Entries = list[tuple[str, dict[str, Any]]]


def parse_configuration(content: Any) -> tuple[dict[str, Entries], Entries, list[Problem]]:
    """The file's sections, the entries that are broken, and every mistake in their form.

    A section is a list of (path in the file, entry with every default filled in). Of a broken
    entry there are only the keys that are right.
    """
    sections: dict[str, Entries] = {name: [] for name in SECTIONS}
    broken: Entries = []
    if not isinstance(content, dict):
        problem = "must hold an object with the sections " + ", ".join(SECTIONS)
        return sections, broken, [Problem("the file", problem)]
    problems = [_unknown(name, SECTIONS) for name in content if name not in SECTIONS]
    for name, schema in SECTIONS.items():
        entries = content.get(name)
        if entries is None:
            continue
        if not isinstance(entries, list):
            problems.append(Problem(name, "must be a list of objects"))
            continue
        problems += _parse_section(name, entries, schema(), sections[name], broken)
    return sections, broken, problems


def _parse_section(
    name: str, entries: list[Any], schema: ConfigurationSchema, parsed: Entries, broken: Entries
) -> list[Problem]:
    problems: list[Problem] = []
    for index, entry in enumerate(entries):
        path = f"{name}[{index}]"
        try:
            parsed.append((path, schema.load(entry)))
        except ValidationError as error:
            problems += _problems(error.messages, path)
            broken.append((path, error.valid_data if isinstance(error.valid_data, dict) else {}))
    return problems


def _unknown(name: str, known: Iterable[str]) -> Problem:
    return Problem(str(name), "is not a known key; known are " + ", ".join(known))


def _problems(messages: Any, path: str) -> Iterator[Problem]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            step = f"[{key}]" if isinstance(key, int) else f".{key}"
            yield from _problems(inner, path if key == "_schema" else path + step)
        return
    for message in messages:
        yield Problem(path, str(message))
