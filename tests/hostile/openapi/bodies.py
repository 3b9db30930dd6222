"""Valid bodies that have every field, and what becomes of them when one value is changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str | int, ...]

# 10^400 as JSON; Python writes it digit by digit.
HUGE = 10**400
SURROGATE, NUL, MEGABYTE = "\ud800", "a\0b", "x" * 2**20
# What confuses parsers, and what is next to what is allowed.
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "5",
    "true",
    "x",
    5.5,
    -1,
    0,
    1,
    1.0,
    2**31,
    2**63,
    # What the loader of JSON makes of 2^64, and of any larger number.
    float(2**64),
    1e300,
    [],
    [[]],
    [None],
    ["", ""],
    {},
    {"": None},
    {"type": "text"},
    {"type": None, "text": 1},
)
# These are refused wherever they stand, before a field is looked at.
REFUSED_VALUES: tuple[Any, ...] = (HUGE, float("nan"), float("inf"), SURROGATE, NUL)

FUNCTION = {
    "name": "get_weather",
    "description": "The weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    {"role": "system", "content": "Be brief", "name": "n"},
    {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
    {"role": "assistant", "content": None, "reasoning_content": "so", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
]
GENERATION: dict[str, Any] = {
    "n": 1,
    "stop": ["\n", "end"],
    "stop_token_ids": [7],
    "include_stop_str_in_output": False,
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": False},
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 5,
    "min_p": 0,
    "repetition_penalty": 1.1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "logit_bias": {"5": -100},
    "bad_words": ["bad"],
    "seed": 1,
    "min_tokens": 1,
    "ignore_eos": False,
    "skip_special_tokens": True,
    "use_beam_search": False,
    "beam_width": 1,
    "length_penalty": 1,
    "max_tokens": 3,
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
    "structured_outputs": {"json": {"type": "object"}, "json_object": False},
    "guided_json": '{"type": "object"}',
    "guided_regex": "a+",
    "guided_choice": ["a", "b"],
    "guided_grammar": "root ::= 'a'",
    "logits_processors": [],
    "priority": 0,
    "detokenize": True,
    "prompt_embeds": None,
}
TRUNCATION = {"truncate": "end", "truncate_prompt_tokens": 8, "truncation_side": "left"}
ANTHROPIC: dict[str, Any] = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "so", "signature": ""},
                {"type": "redacted_thinking", "data": ""},
                {"type": "text", "text": "Well"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "18"}],
                }
            ],
        },
        {"role": "system", "content": "Be brief"},
    ],
    "system": [{"type": "text", "text": "Be brief"}],
    "tools": [{"name": "f", "type": "custom", "description": "d", "input_schema": {}}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
    "thinking": {"type": "disabled", "display": "omitted"},
    "output_config": {"effort": "high", "format": None},
    "container": None,
    "mcp_servers": [],
}
ITEMS = [
    {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "so"}], "summary": []},
    {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "18"},
]
RERANK: dict[str, Any] = {
    "query": "q",
    "documents": ["a", {"text": "b"}],
    "top_n": 1,
    "return_documents": True,
    "max_tokens_per_doc": 4,
    "use_activation": True,
    "raw_scores": False,
    "encoding_format": "float",
    "rank_fields": ["text"],
    "max_chunks_per_doc": 1,
    **TRUNCATION,
}

# By the names of the document's schemas, each with every field that is not merely refused.
BODIES: Mapping[str, dict[str, Any]] = {
    "ChatRequest": {
        **GENERATION,
        "messages": MESSAGES,
        "max_completion_tokens": 3,
        "logprobs": False,
        "top_logprobs": 0,
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
        "parallel_tool_calls": True,
        "include_reasoning": True,
        "reasoning_effort": "none",
        "chat_template_kwargs": {"enable_thinking": False, "style": "short"},
        "documents": [{"title": "t", "text": "x"}],
        "add_generation_prompt": True,
        "continue_final_message": False,
        "modalities": ["text"],
        "function_call": "auto",
    },
    "CompletionRequest": {
        **GENERATION,
        "prompt": ["Hello", "World"],
        "echo": True,
        "best_of": 1,
        "logprobs": 0,
        "suffix": None,
    },
    "ResponseRequest": {
        "input": ITEMS,
        "instructions": "Be brief",
        "max_output_tokens": 3,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 5,
        "seed": 1,
        "stop": "\n",
        "top_logprobs": 0,
        "include": ["message.output_text.logprobs"],
        "tools": [{"type": "function", **FUNCTION}],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "get_weather"}],
        },
        "parallel_tool_calls": True,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": None},
        "reasoning": {"effort": "none", "summary": "auto"},
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "metadata": {"a": "b"},
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "p",
        "store": False,
        "service_tier": "auto",
    },
    "MessageRequest": {
        **ANTHROPIC,
        "max_tokens": 3,
        "stop_sequences": ["end"],
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 0,
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
    },
    "CountTokensRequest": ANTHROPIC,
    "EmbeddingRequest": {
        "input": ["Hello", "World"],
        "encoding_format": "float",
        "dimensions": 2,
        "add_special_tokens": True,
        **TRUNCATION,
    },
    "EmbedV2Request": {
        "texts": ["Hello"],
        "inputs": [{"content": [{"type": "text", "text": "Hello"}]}],
        "input_type": "search_query",
        "embedding_types": ["float", "base64"],
        "output_dimension": 2,
        "max_tokens": 5,
        "truncate": "END",
        "images": [],
        "priority": 0,
    },
    "RerankRequest": RERANK,
    "TextsRerankRequest": {
        "query": "q",
        "texts": ["a", "b"],
        "raw_scores": False,
        "return_text": True,
        "truncate": True,
        "truncation_direction": "Left",
    },
    "ScoreRequest": {"text_1": "a", "text_2": ["b", "c"], "use_activation": True, **TRUNCATION},
    "TokenizeRequest": {
        "prompt": "Hello",
        "messages": MESSAGES,
        "add_special_tokens": True,
        "add_generation_prompt": True,
        "continue_final_message": False,
        "return_token_strs": True,
        "tools": [TOOL],
        "chat_template_kwargs": {"enable_thinking": False},
    },
    "DetokenizeRequest": {"tokens": [5, 6]},
}


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every value of a JSON value: the whole, its items and properties, and theirs."""
    yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for name, item in items:
        yield from places(item, (*path, name))


def changed(value: Any, path: Path, replacement: Any) -> Any:
    """The value with another one at a place."""
    if not path:
        return replacement
    copied = copy.deepcopy(value)
    parent = copied
    for name in path[:-1]:
        parent = parent[name]
    parent[path[-1]] = replacement
    return copied


def without(value: Any, path: Path) -> Any:
    """The value without what is at a place, which is not the whole."""
    copied = copy.deepcopy(value)
    parent = copied
    for name in path[:-1]:
        parent = parent[name]
    del parent[path[-1]]
    return copied
