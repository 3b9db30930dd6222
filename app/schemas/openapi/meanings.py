"""What the fields of bodies mean, in the words of docs/api.md; a test compares them."""

from __future__ import annotations

from collections.abc import Mapping

# By the name of the field; refused fields have none.
MEANINGS: Mapping[str, str] = {
    "n": "how many answers to each prompt",
    "temperature": "higher is more random, 0 is greedy",
    "top_p": (
        "only the likeliest tokens that together have this probability are chosen; 0 is greedy"
    ),
    "top_k": "0 and -1 mean no limit",
    "min_p": "tokens less likely than this part of the likeliest one are never chosen",
    "repetition_penalty": "above 1 makes tokens that were there less likely",
    "presence_penalty": "above 0 makes tokens that were there less likely",
    "frequency_penalty": "above 0 makes tokens less likely, the more often they were there",
    "logit_bias": "token ids as strings, each with -100 (a ban) to 100",
    "bad_words": "texts that must not come",
    "seed": "the same seed gives the same answers",
    "stop": "texts of 1 to 256 characters that end the answer and are not part of it",
    "stop_token_ids": "token ids that end the answer and are not part of it",
    "include_stop_str_in_output": "whether what ended the answer is part of it",
    "min_tokens": "the answer has at least so many tokens; at most `max_tokens`",
    "ignore_eos": "whether the answer goes on to `max_tokens`",
    "skip_special_tokens": "whether special tokens are left out of the text",
    "use_beam_search": (
        "the likeliest texts of `beam_width`; not with `stream`; needs two beams at least"
    ),
    "beam_width": (
        "how many beams; above 1 means `use_beam_search`, which alone is refused "
        "unless `n` or `best_of` is 2 or more"
    ),
    "length_penalty": "how beam search weighs long answers",
    "response_format": "`text`, `json_object`, `json_schema` or `structural_tag`",
    "structured_outputs": (
        "one of `json`, `regex`, `choice`, `grammar`, `json_object`, `structural_tag`"
    ),
    "guided_json": "the same as `structured_outputs` with `json`",
    "guided_regex": "the same as `structured_outputs` with `regex`",
    "guided_choice": "the same as `structured_outputs` with `choice`",
    "guided_grammar": "the same as `structured_outputs` with `grammar`",
    "stream": "whether the answer comes as events",
    "stream_options": "`include_usage`, `continuous_usage_stats`; only with `stream`",
    "messages": "the conversation",
    "max_completion_tokens": "at most so many tokens are generated; wins over `max_tokens`",
    "max_tokens": "at most so many tokens are generated",
    "logprobs": "whether each token comes with its logprob",
    "top_logprobs": "how many alternatives come with each token; only with `logprobs`",
    "tools": "the functions that the model may call",
    "tool_choice": "whether the model calls a tool; an object names the one",
    "parallel_tool_calls": "whether an answer may have several tool calls",
    "include_reasoning": "whether the answer has its `reasoning_content`",
    "reasoning_effort": "how much the model is to reason",
    "chat_template_kwargs": "booleans and strings of up to 256 characters for the template",
    "documents": "what the model is to read, for templates that take documents",
    "add_generation_prompt": "whether the template opens the answer",
    "continue_final_message": "whether the answer goes on with the last message",
    "prompt": "`n` choices for each prompt, in their order",
    "best_of": (
        "the likeliest `n` of so many, by the sum of their logprobs; not with "
        "`stream`, and only where the model tells logprobs"
    ),
    "echo": "whether the text begins with the prompt",
    "suffix": "the text behind the gap, for models that fill in the middle",
    "input": "the conversation",
    "instructions": "a system message in front of the conversation",
    "max_output_tokens": "at most so many tokens are generated",
    "include": "`message.output_text.logprobs`; OpenAI's others change nothing",
    "text": "its `format` is `text`, `json_object` or `json_schema`",
    "reasoning": ("`effort` is how much the model is to reason; `summary` may only be `auto`"),
    "metadata": "is repeated in the answer",
    "user": "is repeated in the answer",
    "safety_identifier": "is repeated in the answer",
    "prompt_cache_key": "is repeated in the answer",
    "store": "changes nothing; the answer's `store` is always false",
    "service_tier": "changes nothing",
    "system": "a system message in front of the conversation",
    "stop_sequences": "texts that end the answer and are not part of it",
    "output_config": "a `format` of the type `json_schema`; `effort`",
    "encoding_format": "base64 holds little-endian 32-bit floats",
    "dimensions": "the first so many numbers, brought to length 1 again",
    "add_special_tokens": "whether the model's special tokens are put around each input",
    "truncate": "where a long input is cut, or that it is refused",
    "truncate_prompt_tokens": "each input is cut to so many tokens, -1 to the model's limit",
    "truncation_side": "the side on which a long input is cut",
    "texts": "the texts to embed; either these or `inputs`",
    "inputs": ('the `content` of each is one part, `{"type": "text", "text": "…"}`'),
    "embedding_types": "any of `float`, `base64`, `binary` and `ubinary`",
    "output_dimension": "the first so many numbers, brought to length 1 again",
    "query": "what the documents are compared with; not empty",
    "top_n": "how many results, the best ones; else all",
    "return_documents": "whether each result has its `document`",
    "max_tokens_per_doc": "each document is cut to so many tokens first",
    "use_activation": "false gives the model's logits as they are",
    "raw_scores": "true gives the model's logits as they are",
    "return_text": "whether each result has its `text`",
    "truncation_direction": "the side on which a long text is cut",
    "text_1": "one text for all of `text_2`, or one for each",
    "text_2": "what is compared with `text_1`; may be empty",
    "return_token_strs": "whether `token_strs` has the tokens' texts",
    "tokens": "the ids to turn into text; may be empty",
}
# Where a field means something else in one of the bodies, or what its name says already.
OF_BODIES: Mapping[str, Mapping[str, str]] = {
    "ScoreRequest": {
        "model": "a rerank or an embedding model",
        "use_activation": "false gives a rerank model's logits as they are",
    },
    "MessageRequest": {
        "top_k": "0 means no limit",
        "tools": "`name`, `description`, `input_schema`",
        "tool_choice": ("the type `auto`, `any`, `tool` or `none`; `disable_parallel_tool_use`"),
        "metadata": "changes nothing",
    },
    "ResponseRequest": {
        "seed": "the same seed gives the same answer",
        "stop": "texts that end the answer and are not part of it",
        "stream_options": "`include_obfuscation` may only be false; only with `stream`",
        "top_logprobs": ("how many alternatives beside each token; above 0 includes logprobs"),
        "tools": ("`type`, `name`, `description`, `parameters`, `strict` side by side"),
        "tool_choice": "`none`, `auto`, `required`, a `function`, or `allowed_tools`",
        "parallel_tool_calls": "whether there may be several calls",
    },
    "CompletionRequest": {
        "max_tokens": "for each choice; 0 only with `echo`",
        "logprobs": "the logprob of each token, and of so many alternatives",
    },
    "EmbedV2Request": {
        "max_tokens": "a text has at most so many tokens, special tokens included",
        "truncate": "where a longer text is cut, or that it is refused",
    },
    "TokenizeRequest": {
        "tools": "the functions that the chat template shows to the model",
        "prompt": "the text; either this or `messages`",
        "add_special_tokens": "whether the tokenizer's special tokens are put around the text",
    },
    "RerankRequest": {
        "documents": "",
        "encoding_format": "changes nothing",
        "truncate": "where a long document is cut, or that it is refused",
        "truncate_prompt_tokens": (
            "each pair of query and document is cut to so many tokens, -1 to the model's limit"
        ),
    },
    "EmbeddingRequest": {
        "input": "texts or token ids; none may be empty",
    },
    "TextsRerankRequest": {
        "truncate": "false refuses a text that is too long",
        "texts": "",
        "raw_scores": "true gives the model's logits as they are",
    },
}
