"""From prompt ids to chunks of text: the one pipeline behind streamed and whole answers."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace

from app.arrivals import Arrivals, Silence
from app.backends.generation import Capabilities, Continuation, GenerationJob
from app.backends.sampling_rules import MASK_64
from app.chunks import Chunk
from app.errors import ContextLengthExceeded, InvalidRequest
from app.observability import prompt_log
from app.observability.generation_trace import begin_call, followed
from app.observability.log_fields import about
from app.services.admission import Place
from app.services.capability_checks import check_capabilities
from app.services.catalogue import LanguageModel
from app.services.choice_text import ChoiceText
from app.services.interleave import interleave
from app.services.places import enter
from app.types import Generation, RequestContext

log = logging.getLogger(__name__)

Chunks = Generator[Chunk, None, None]
Group = Sequence[Continuation]


def max_new_tokens(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    request: Generation,
    default: int | None,
    param: str,
) -> int:
    """How many tokens to generate: what was asked for, else the default, within the context.

    `default` None means all that is left.

    Raises:
        ContextLengthExceeded: the prompt, or the prompt with what was asked for, is longer.
    """
    longest, wanted = model.spec.facts.max_len, request.max_tokens
    left = longest - len(prompt_ids)
    if left < (1 if wanted is None else wanted):
        asked = f", and {request.limit_param} is {wanted}" if wanted is not None else ""
        raise ContextLengthExceeded(
            # Some clients know this error by OpenAI's own words.
            f"this model's maximum context length is {longest} tokens; {param} has"
            f" {len(prompt_ids)}{asked}",
            param=param,
        )
    if wanted is not None:
        return wanted
    return left if default is None else min(default, left)


def choices_of(
    prompt_ids: Sequence[int], max_tokens: int, request: Generation, count: int, first: int = 0
) -> list[Continuation]:
    """`count` choices of one prompt, indexed from `first`, each with a seed of its own.

    Raises:
        InvalidRequest: at least more tokens were asked for than there may be at most.
    """
    least = request.sampling.min_tokens or 0
    if least > max_tokens:
        raise InvalidRequest(
            f"min_tokens must be at most {max_tokens}, which is how many tokens this answer may"
            f" have, but was {least}",
            param="min_tokens",
        )
    seed = request.sampling.seed
    seeds = [None if seed is None else (seed + place) & MASK_64 for place in range(count)]
    return [
        Continuation(prompt_ids, max_tokens, first + place, seeds[place]) for place in range(count)
    ]


def generate(
    model: LanguageModel,
    continuations: Sequence[Continuation],
    request: Generation,
    context: RequestContext,
    patience: float,
) -> Chunks:
    """The chunks of all choices, in the order in which they come.

    Each choice ends with a chunk that has a `finish_reason`. Silence of `patience` seconds
    gives chunks that say so.

    Raises:
        UnsupportedParameter: what the model's backend cannot do.
    """
    capabilities = model.backend.capabilities()
    check_capabilities(request, capabilities, model.tokenizer.vocabulary_size)

    def chunks(group: Group, place: Place) -> Chunks:
        with ExitStack() as unless_begun:
            unless_begun.enter_context(place)
            call = begin_call(context.trace, request, group[0].max_tokens, len(group))
            unless_begun.pop_all()
        here = context if call is None else replace(context, trace=call)
        found = _chunks(model, group, request, here, patience, place)
        if prompt_log.is_on():
            found = prompt_log.told(found, context.request_id)
        if call is None:
            return found
        return followed(found, call, _num_prompt_tokens(group), len(group))

    place = enter(model, context)
    context.tally.prompt_tokens = _num_prompt_tokens(continuations)
    first, *others = _groups(continuations, request, capabilities)
    if not others:
        yield from chunks(first, place)
        return

    def later(group: Group) -> Chunks:
        yield from chunks(
            group, model.admission.enter_again(context.cancellation, context.deadline)
        )

    # What has arrived of one call tells nothing about the others.
    context = replace(context, arrivals=Arrivals())

    yield from interleave([chunks(first, place), *map(later, others)], context.cancellation)


def _num_prompt_tokens(continuations: Sequence[Continuation]) -> int:
    """Those of all prompts. The choices of one have the same ids."""
    lengths = {id(item.prompt_ids): len(item.prompt_ids) for item in continuations}
    return sum(lengths.values())


def _groups(
    continuations: Sequence[Continuation], request: Generation, capabilities: Capabilities
) -> list[Group]:
    """What goes into one call each: all beams of a prompt, or as many as make a batch."""
    is_beams = request.sampling.beam_width is not None
    size = request.n if is_beams else capabilities.batch_size
    return [continuations[at : at + size] for at in range(0, len(continuations), size)]


def _chunks(
    model: LanguageModel,
    group: Group,
    request: Generation,
    context: RequestContext,
    patience: float,
    place: Place,
) -> Chunks:
    with ExitStack() as unless_sent:
        unless_sent.callback(place.release)
        if context.cancellation.is_cancelled:
            raise context.cancellation.error
        job = GenerationJob(
            continuations=group,
            request=request,
            vocabulary_size=model.tokenizer.vocabulary_size,
            context=context,
            patience=patience,
            when_ended=place.release,
        )
        texts = [ChoiceText(model.tokenizer, item, request) for item in group]
        context.tally.choices += texts
        unless_sent.pop_all()
    with closing(model.backend.generate(job)) as backend, _logged(texts, job):
        num_open, arrivals = len(texts), context.arrivals
        silence = Silence(arrivals, patience)
        for tokens in backend:
            text = texts[tokens.row]
            chunk = None if text.finish_reason is not None else text.chunk(tokens)
            # What has arrived together is timed together.
            if not arrivals.is_gathering or text.finish_reason is not None:
                text.times.note(text.num_tokens)
            if chunk is None:
                # Tokens whose text is held back or dropped are silence to whoever waits for it.
                if not silence.must_be_told():
                    continue
                chunk = next(text for text in texts if text.finish_reason is None).silence()
            silence.begun = 0.0
            yield chunk
            num_open -= chunk.finish_reason is not None
            if not num_open:
                return


@contextmanager
def _logged(texts: Sequence[ChoiceText], job: GenerationJob) -> Iterator[None]:
    """Say how each choice ended; the line of the request says it of all together."""
    try:
        yield
    finally:
        for item, text in zip(job.continuations, texts, strict=True):
            log.debug(
                "%s: %s: %d prompt tokens, %d new, %s",
                job.context.request_id,
                job.request.model,
                len(item.prompt_ids),
                text.num_tokens,
                text.finish_reason or "not finished",
                extra=about(job.context.request_id),
            )
