"""Trains the byte-level BPE tokenizer and gives it its chat template."""

from __future__ import annotations

from itertools import islice

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from .corpus import BEGIN, END, PAD, SPECIAL_TOKENS, documents, text_of
from .settings import MAX_POSITIONS, VOCABULARY

# Every digit is a token of its own: sums are learned from far fewer examples.
SPLIT = (
    r"'(?:s|t|re|ve|m|ll|d)|[^\r\n\p{L}\p{N}]?\p{L}+| ?\p{N}"
    r"| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE = """{{- bos_token -}}
{%- for message in messages -%}
{%- set content = message['content'] if message['content'] is string else '' -%}
{{- '<|im_start|>' + message['role'] + '\\n' + content -}}
{%- for call in message.get('tool_calls') or [] -%}
{{- call | tojson -}}
{%- endfor -%}
{{- '<|im_end|>' -}}
{%- if not loop.last or add_generation_prompt -%}
{{- '\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def train_bpe(seed: int, count: int) -> Tokenizer:
    """A byte-level BPE tokenizer trained on the first documents of the corpus."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=24,
    )
    tokenizer.train_from_iterator((text_of(d) for d in islice(documents(seed), count)), trainer)
    begin = tokenizer.token_to_id(BEGIN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B:1", special_tokens=[(BEGIN, begin)]
    )
    return tokenizer


def build_tokenizer(seed: int, count: int = 20_000) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers saves and loads it."""
    return PreTrainedTokenizerFast(
        tokenizer_object=train_bpe(seed, count),
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=["<|im_start|>"],
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
        add_prefix_space=False,
        chat_template=CHAT_TEMPLATE,
    )
