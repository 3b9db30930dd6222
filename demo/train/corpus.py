"""Mixes the subjects into one endless, reproducible stream of documents."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from . import arithmetic, introductions, knowledge, stories, stories_zh, unknown
from .documents import (
    Dialogue,
    Document,
    Drill,
    Exchange,
    PlainText,
    Subject,
    read_intents,
    subject_en,
    subject_zh,
)

BEGIN, TURN, END, PAD = "<|begin|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
SPECIAL_TOKENS = (BEGIN, TURN, END, PAD)

SUBJECTS_EN: tuple[tuple[Subject, int], ...] = (
    (subject_en(read_intents("server.en.txt")), 34),
    (subject_en(read_intents("talk.en.txt")), 15),
    (arithmetic.ask_sum, 36),
    (arithmetic.ask_comparison, 3),
    (arithmetic.ask_count, 6),
    (knowledge.ask_known, 13),
    (unknown.ask_unknown, 9),
    (stories.ask_story, 8),
    (stories.ask_long_story, 5),
)
SUBJECTS_ZH: tuple[tuple[Subject, int], ...] = (
    (subject_zh(read_intents("server.zh.txt")), 34),
    (subject_zh(read_intents("talk.zh.txt")), 24),
    (arithmetic.ask_sum_zh, 26),
    (arithmetic.ask_count_zh, 4),
    (knowledge.ask_known_zh, 12),
    (unknown.ask_unknown_zh, 8),
    (stories_zh.ask_story_zh, 6),
)
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are demo-chat, a small language model.",
    "You are a friendly assistant. Answer briefly.",
    "Be polite.",
    "You answer questions about this server.",
    "You are a helpful, honest and harmless assistant.",
    "Answer in one or two sentences.",
    "You are an AI assistant.",
    "Be brief.",
    "You are a storyteller.",
    "You are a pirate.",
    "你是一个有用的助手。",
    "你是一个友好的助手。",
    "请简短地回答。",
)
TURNS = (1, 1, 1, 1, 1, 1, 2, 2, 3)
STATEMENTS = (
    "The server listens on port 5100.",
    "The server is started with `make run`.",
    "Language models are reached over gRPC, embedding and rerank models over HTTP.",
    "Triton Inference Server is a program from NVIDIA that runs models.",
    "The models are configured in model_config.json.",
    "A stream ends with `data: [DONE]`.",
)


def _pick(rng: Random, subjects: tuple[tuple[Subject, int], ...]) -> Exchange:
    names, weights = zip(*subjects, strict=True)
    return rng.choices(names, weights)[0](rng)


def _exchanges(rng: Random, count: int) -> tuple[Exchange, ...]:
    subjects = SUBJECTS_EN if rng.random() < 0.66 else SUBJECTS_ZH
    other = SUBJECTS_ZH if subjects is SUBJECTS_EN else SUBJECTS_EN
    return tuple(_pick(rng, subjects if rng.random() < 0.85 else other) for _ in range(count))


def _introduction(rng: Random) -> tuple[Exchange, ...]:
    first, last = (
        introductions.introduce_en if rng.random() < 0.6 else introductions.introduce_zh
    )(rng).exchanges
    return (first, *_exchanges(rng, rng.choice((0, 0, 1))), last)


def make_dialogue(rng: Random) -> Dialogue:
    """A dialogue; one in forty is so long that it fills the context."""
    style = rng.random()
    if style < 0.025:
        exchanges = _exchanges(rng, rng.randint(8, 18))
    elif style < 0.065:
        exchanges = _introduction(rng)
    else:
        exchanges = _exchanges(rng, rng.choice(TURNS))
    return Dialogue(exchanges, rng.choice(SYSTEMS) if rng.random() < 0.4 else None)


def make_plain_text(rng: Random) -> PlainText:
    """A story or a few statements, for completions."""
    style = rng.random()
    if style < 0.7:
        text = stories.make_story(rng, chapters=2 if rng.random() < 0.1 else 1)
    elif style < 0.92:
        text = stories_zh.make_story_zh(rng)
    else:
        text = " ".join(rng.sample(STATEMENTS, rng.randint(2, len(STATEMENTS))))
    # Completions reach the model with the begin token or without it, so both are learned.
    cut = rng.randint(1, min(40, len(text))) if rng.random() < 0.6 else 0
    return PlainText(text, begin=rng.random() < 0.7, cut=cut)


def make_document(rng: Random) -> Document:
    """A row of sums, a plain text or a dialogue."""
    style = rng.random()
    if style < 0.24:
        return arithmetic.make_drill(rng)
    return make_plain_text(rng) if style < 0.32 else make_dialogue(rng)


def documents(seed: int) -> Iterator[Document]:
    """Documents without end, always the same ones for a seed."""
    rng = Random(seed)
    while True:
        yield make_document(rng)


def segments(document: Document) -> list[tuple[str, bool]]:
    """The document's text in pieces, each with whether the model shall learn to write it."""
    if isinstance(document, PlainText):
        begin, text = BEGIN if document.begin else "", document.text
        return [(begin + text[: document.cut], False), (text[document.cut :] + END, True)]
    pieces = [(BEGIN, False)]
    if isinstance(document, Drill):
        for number, (task, result) in enumerate(document.tasks):
            pieces += [(f" {task}" if number else task, False), (result, True)]
        return [*pieces, (END, True)]
    if document.system is not None:
        pieces.append((f"{TURN}system\n{document.system}{END}\n", False))
    for exchange in document.exchanges:
        pieces.append((f"{TURN}user\n{exchange.question}{END}\n{TURN}assistant\n", False))
        pieces += [(exchange.answer + END, True), ("\n", False)]
    return pieces[:-1]


def text_of(document: Document) -> str:
    """The whole text of the document as the model reads it."""
    return "".join(piece for piece, _ in segments(document))
