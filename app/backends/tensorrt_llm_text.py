"""The models `ensemble` and `tensorrt_llm_bls` around it: text in, and pieces of text out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from app.backends.closing_words import ClosingWords
from app.backends.generation import Capabilities, Continuation, GenerationJob
from app.backends.job_reader import JobReader
from app.backends.sampling_rules import end_ids, is_endless, stop_words
from app.backends.sending import Values
from app.backends.streamed_model import check_tensors
from app.backends.structure_texts import StructureTexts
from app.backends.tensorrt_llm_inputs import (
    INPUTS,
    NO_MIN_P,
    SUPPORTED_STRUCTURES,
    declared_fields,
    is_streamed,
    known_inputs,
    read_guide,
    shared_values,
)
from app.backends.text_growth import TextGrowth
from app.backends.text_prompt import prompt_text
from app.backends.text_tokens import count_piece, count_tokens, split_tokens, texts_of
from app.backends.word_lists import word_texts
from app.chunks import Tokens
from app.prompting.stop_sequences import StopStrings
from app.prompting.tokenizers import Tokenizer
from app.registry import LanguageModelSpec
from app.triton.contract import ModelContract, TensorSpec
from app.triton.errors import broken_contract

FALSE = ("false", "False", "0")
TRUE = ("true", "True", "1")
# Tokens are needed for these, and the model shows none.
NEVER = {
    "min_p": NO_MIN_P,
    "logit_bias": "the model in Triton takes words, not token ids",
    "logprobs": "the model in Triton gives text without its tokens",
    "skip_special_tokens": "the model in Triton makes the text by itself",
}


class TextLevel:
    """One model whose input and output are text."""

    required = ("text_input", "max_tokens")

    def __init__(self, spec: LanguageModelSpec, tokenizer: Tokenizer) -> None:
        self._facts = spec.facts
        self._tokenizer = tokenizer
        self._guides = StructureTexts(read_guide)
        self._is_prompt_checked = not spec.special_tokens_in_content
        self._adds = spec.adds_special_tokens

    def capabilities(self, contract: ModelContract) -> Capabilities:
        """What the model declares inputs for."""
        missing = declared_fields(contract, INPUTS)
        for field, name in (("bad_words", "bad_words"), ("stop_token_ids", "stop_words")):
            if not _takes_words(contract.inputs.get(name)):
                missing[field] = f"the model in Triton declares no list of {name}"
        return Capabilities(
            fields=frozenset({*INPUTS, "bad_words", "stop_token_ids"} - set(missing)),
            reasons={**missing, **NEVER},
            structures=frozenset() if "structured_output" in missing else SUPPORTED_STRUCTURES,
            takes_text=True,
        )

    def check(self, contract: ModelContract) -> None:
        """Refuse a model that cannot serve. Raises BackendError."""
        check_tensors(contract, ("text_output",), known_inputs(self._facts))

    def start(self, job: GenerationJob, contract: ModelContract) -> tuple[Values, JobReader]:
        """A job's tensors by name, and the reader of its messages.

        Raises:
            UnsupportedParameter: a prompt that no text stands for.
        """
        first = job.continuations[0]
        prompt = prompt_text(
            self._tokenizer,
            first.prompt_ids,
            adds_special_tokens=self._adds_special_tokens(contract),
            is_checked=self._is_prompt_checked,
            param=job.request.prompt_param,
        )
        stops = self._stops(job)
        values = {
            **shared_values(job, contract, self._facts, self._guides),
            "text_input": prompt,
            "max_tokens": max(item.max_tokens for item in job.continuations),
            **self._words(job, contract, stops),
        }
        return values, TextReader(self._answers(job, contract, prompt, stops))

    def _adds_special_tokens(self, contract: ModelContract) -> bool:
        """Preprocessing's own parameter, and its default; an ensemble does not show it."""
        if self._adds is not None:
            return self._adds
        return contract.parameters.get("add_special_tokens", "") not in FALSE

    def _stops(self, job: GenerationJob) -> list[str]:
        """What ends an answer, as texts: stop words, end tokens, and the request's tokens."""
        facts, sampling = self._facts, job.request.sampling
        tokens = (*end_ids(sampling, facts), *job.request.stop_token_ids)
        return self._texts((*stop_words(sampling, facts), *((token,) for token in tokens)))

    def _texts(self, words: Iterable[Sequence[int]]) -> list[str]:
        return list(word_texts(self._tokenizer, words))

    def _text(self, *word: int) -> str:
        return self._tokenizer.decode(word, skip_special_tokens=False)

    def _words(
        self, job: GenerationJob, contract: ModelContract, stops: list[str]
    ) -> dict[str, Any]:
        wanted = job.request.sampling.bad_words or ()
        bad = [*self._texts(self._facts.bad_words), *_forms(wanted)]
        # The model knows stop words by their tokens and from the first token on; that it stops is
        # a saving, and the server looks for the strings anyway.
        told = () if job.request.sampling.min_tokens else _forms(job.request.stop)
        # The end token has an input of its own.
        own_end = self._texts([(self._facts.end_id,)] if self._facts.end_id >= 0 else [])
        others = [stop for stop in stops if stop not in own_end]
        lists = {"bad_words": bad, "stop_words": [*others, *told]}
        return {
            name: words
            for name, words in lists.items()
            if words and _takes_words(contract.inputs.get(name))
        }

    def _answers(
        self, job: GenerationJob, contract: ModelContract, prompt: str, stops: list[str]
    ) -> list[TextAnswer]:
        is_whole = not is_streamed(job, contract)
        has_prompt = is_whole and "exclude_input_in_output" not in contract.inputs
        prompts = self._shown(job.continuations[0], prompt) if has_prompt else []
        is_cumulative = contract.parameters.get("accumulate_tokens") in TRUE
        ends = self._ends(job, contract, stops)
        return [
            TextAnswer(
                self._tokenizer,
                item,
                TextGrowth(is_cumulative=is_cumulative and not is_whole, prompts=prompts),
                ends(),
                {self._text(token): token for token in job.request.stop_token_ids},
                is_whole=is_whole,
                is_endless=is_endless(job.request),
                has_stops=bool(job.request.stop),
                row=row,
            )
            for row, item in enumerate(job.continuations)
        ]

    def _ends(
        self, job: GenerationJob, contract: ModelContract, stops: list[str]
    ) -> Callable[[], StopStrings | ClosingWords]:
        """What leaves stop words out of a text; a request may want its own tokens kept."""
        request = job.request
        kept = map(self._text, request.stop_token_ids if request.has_stop_in_output else ())
        cut = set(stops) - set(kept)
        # A model that is told its stop words stops at their tokens, which the text alone does not
        # show; for one that is not, the text must do.
        is_told = _takes_words(contract.inputs.get("stop_words"))
        return partial(ClosingWords if is_told else StopStrings, sorted(cut))

    def _shown(self, item: Continuation, prompt: str) -> list[str]:
        """How a model may write the prompt in front of its answer."""
        plain = self._tokenizer.decode(item.prompt_ids)
        return [form for form in (plain, self._text(*item.prompt_ids), prompt) if form]


class TextAnswer:
    """One beam's text. Nothing tells why it ends, so that its tokens are counted at the end.

    One that `is_whole` comes in one message. One that `is_endless` only ends by its length or a
    stop. Where the server `has_stops` to look for, it must know after which token they are whole.
    `stop_tokens` are the request's, by their texts.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        item: Continuation,
        growth: TextGrowth,
        ends: StopStrings | ClosingWords,
        stop_tokens: Mapping[str, int],
        *,
        is_whole: bool,
        is_endless: bool,
        has_stops: bool,
        row: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = item.max_tokens
        self._growth = growth
        self._ends = ends
        self._stop_tokens = stop_tokens
        self._count = count_tokens if is_whole else count_piece
        self._is_endless = is_endless
        self._has_stops = has_stops
        self._row = row
        self._text = ""
        self._num_messages = 0
        self._num_tokens = 0
        self.has_begun = False
        self.is_over = False

    def push(self, text: str) -> Iterator[Tokens]:
        """What a message's text adds, in several parts where it must be known at which token."""
        self.has_begun = True
        new = self._growth.push(text)
        certain = self._ends.push(new)
        self._text += certain
        self._num_messages += bool(new)
        before = self._num_tokens
        self._num_tokens += self._count(self._tokenizer, new)
        for piece, count in self._pieces(certain, self._num_tokens - before):
            num_tokens = min(before + count, self._num_tokens, self._max_tokens)
            yield Tokens(text=piece, num_tokens=num_tokens, row=self._row)
        if self._ends.matched is not None:
            yield self._finished("", is_stopped=True)

    def _pieces(self, text: str, num_tokens: int) -> Sequence[tuple[str, int]]:
        """The pieces of a message's text, each with how many tokens the message has to its end."""
        if self._has_stops and num_tokens > 1:
            return split_tokens(self._tokenizer, text)
        return [(text, num_tokens)] if text else ()

    def at_end(self) -> Tokens:
        """What is left when the stream ends."""
        if not self.has_begun:
            raise broken_contract("the stream ended without an answer")
        rest = self._ends.push(self._growth.flush()) + self._ends.flush()
        self._text += rest
        return self._finished(rest, is_stopped=self._ends.matched is not None)

    def _finished(self, rest: str, *, is_stopped: bool) -> Tokens:
        self.is_over = True
        count = count_tokens(self._tokenizer, self._text)
        if not is_stopped:
            # Each message with text has a token at least, and what is no text may be tokens too.
            count = self._max_tokens if self._is_endless else max(count, self._num_messages)
        reason = "length" if count >= self._max_tokens and not is_stopped else "stop"
        return Tokens(
            text=rest,
            finish_reason=reason,
            stop_reason=self._stop_tokens.get(self._ends.matched or ""),
            num_tokens=min(count, self._max_tokens),
            row=self._row,
        )


class TextReader:
    """The answers of one job, a beam each."""

    def __init__(self, answers: Sequence[TextAnswer]) -> None:
        self._answers = answers

    def read(self, message: Any) -> Iterable[Tokens]:
        """What a message adds."""
        texts = message.output("text_output")
        if texts is None:
            # tensorrt_llm_bls ends with a message that holds a flag alone.
            return
        for answer, text in zip(self._answers, texts_of(texts, len(self._answers)), strict=True):
            if not answer.is_over:
                yield from answer.push(text)

    def at_end(self) -> Iterable[Tokens]:
        """What is left when the stream ends."""
        return [answer.at_end() for answer in self._answers if not answer.is_over]

    @property
    def is_over(self) -> bool:
        """Whether every answer has ended."""
        return all(answer.is_over for answer in self._answers)

    @property
    def has_ended_itself(self) -> bool:
        """Whether the model knows the stop words that ended its answers; not every version does."""
        return False


def _forms(words: Iterable[str]) -> list[str]:
    """Each word as it begins a text and as it follows a space, which makes other tokens."""
    return [form for word in words for form in (word, f" {word}")]


def _takes_words(tensor: TensorSpec | None) -> bool:
    """Whether an input is a list of words; v0.5.0 requires one text with commas between them."""
    return tensor is not None and tensor.is_optional
