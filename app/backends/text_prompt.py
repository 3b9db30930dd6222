"""A prompt's token ids as the text that a model which tokenises by itself reads the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app import offload
from app.errors import UnsupportedParameter
from app.prompting.tokenizers import Tokenizer
from app.schemas.fields import shown

# About 4,096 characters, above which work leaves the event loop.
MAX_IDS_ON_LOOP = 1024


def prompt_text(
    tokenizer: Tokenizer,
    ids: Sequence[int],
    *,
    adds_special_tokens: bool = True,
    is_checked: bool = True,
    param: str = "prompt",
) -> str:
    """The text of a prompt, without what a model that `adds_special_tokens` puts around it.

    A prompt that lacks them gets them from the model: a text cannot say that they are unwanted.
    `param` is the field that the prompt was made of.

    Raises:
        UnsupportedParameter: if it `is_checked`, for ids that no text stands for.
    """
    frame = tokenizer.codec.single
    inner = frame.without(ids) if adds_special_tokens else list(ids)
    return offload.run_if(
        len(ids) > MAX_IDS_ON_LOOP, _prompt_text, tokenizer, inner, param if is_checked else None
    )


def _prompt_text(tokenizer: Tokenizer, ids: list[int], checked_param: str | None) -> str:
    text = tokenizer.decode(ids, skip_special_tokens=False)
    if checked_param is not None:
        read = tokenizer.encode(text, add_special_tokens=False)
        if read != ids:
            raise _misread(tokenizer, ids, read, checked_param)
    return text


def _misread(
    tokenizer: Tokenizer, meant: list[int], read: list[int], param: str
) -> UnsupportedParameter:
    names = {
        token: text
        for tokens in (tokenizer.special_tokens, tokenizer.markup_tokens)
        for text, token in tokens.items()
    }
    typed = Counter(token for token in read if token in names)
    typed -= Counter(meant)
    if typed:
        name = shown(names[min(typed, key=read.index)])
        return UnsupportedParameter(
            f"{param} holds the text of the control token {name}; this model takes text, and would"
            " read it as the token itself",
            param=param,
        )
    return UnsupportedParameter(
        f"{param} holds token ids that are not those that this model's tokenizer gives for their"
        " text; this model takes text only",
        param=param,
    )
