"""What the corpus is made of: plain texts and dialogues, and ways to vary how people ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

TEXTS = Path(__file__).parent / "texts"


@dataclass(frozen=True)
class Exchange:
    """One question of a user and the answer to it."""

    question: str
    answer: str


@dataclass(frozen=True)
class Dialogue:
    """Exchanges in order, under an optional system prompt."""

    exchanges: tuple[Exchange, ...]
    system: str | None = None


@dataclass(frozen=True)
class PlainText:
    """A text without roles.

    `begin` says whether it starts with the begin token, `cut` where the tokenizer is made to end
    a token: a prompt may end anywhere, also where a whole text would have no token boundary.
    """

    text: str
    begin: bool = True
    cut: int = 0


@dataclass(frozen=True)
class Drill:
    """Tasks in a row, each with its result; only the results are to be learned."""

    tasks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Intent:
    """Several ways to ask one thing, and several good answers to it."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


Document = Dialogue | PlainText | Drill
Subject = Callable[[Random], Exchange]

OPENERS_EN = ("",) * 6 + (
    "Hi, ",
    "Hello! ",
    "Please tell me: ",
    "Hey, ",
    "So, ",
    "Ok, ",
    "One question: ",
    "Excuse me, ",
    "Please, ",
    "Sorry, ",
)
CLOSERS_EN = ("",) * 6 + (" please", " Please.", " Thanks!", " Thank you.")
OPENERS_ZH = ("",) * 6 + (
    "请问",
    "请问一下，",
    "你好，",
    "你好，请问",
    "那么，",
    "我想问一下，",
    "麻烦问一下，",
)


def phrase_en(rng: Random, question: str) -> str:
    """The English question with the courtesies, capitals and punctuation of different people."""
    opener, closer = rng.choice(OPENERS_EN), rng.choice(CLOSERS_EN)
    if opener and not question.startswith("I "):
        question = question[0].lower() + question[1:]
    stem = question.rstrip("?.!")
    mark = question[len(stem) :]
    end = rng.choice((mark, mark, mark, mark, "", "", "?" if mark == "?" else ".", mark * 2))
    text = opener + (stem + closer + end if closer == " please" else stem + end + closer)
    style = rng.random()
    if style < 0.12:
        text = text.lower()
    elif style < 0.16:
        text = text.upper()
    return misspell(rng, text) if rng.random() < 0.03 else text


def phrase_zh(rng: Random, question: str) -> str:
    """The Chinese question with different courtesies and punctuation."""
    stem = question.rstrip("？。！")
    mark = question[len(stem) :]
    opener = rng.choice(OPENERS_ZH)
    return opener + stem + rng.choice((mark, mark, mark, "", "?", "呢？" if mark == "？" else mark))


def misspell(rng: Random, text: str) -> str:
    """The text with one letter lost or two swapped; never a digit."""
    if len(text) < 6 or any(c.isdigit() for c in text):
        return text
    at = rng.randrange(1, len(text) - 2)
    if rng.random() < 0.5:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


SYLLABLES = (
    "ba",
    "con",
    "der",
    "el",
    "fi",
    "gra",
    "hu",
    "ing",
    "jo",
    "ka",
    "lo",
    "men",
    "nor",
    "op",
    "pre",
    "qui",
    "ro",
    "sta",
    "tri",
    "ul",
    "ver",
    "wo",
    "xa",
    "ty",
    "zu",
    "ment",
    "er",
    "ish",
    "al",
    "ed",
)


def invented_word(rng: Random) -> str:
    """A word that means nothing: a name to copy, or a thing that the model cannot know."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4)))


def subject_en(intents: Sequence[Intent]) -> Subject:
    """A subject that asks one of the English intents."""
    return lambda rng: _ask(rng, intents, phrase_en)


def subject_zh(intents: Sequence[Intent]) -> Subject:
    """A subject that asks one of the Chinese intents."""
    return lambda rng: _ask(rng, intents, phrase_zh)


def _ask(rng: Random, intents: Sequence[Intent], phrase: Callable[[Random, str], str]) -> Exchange:
    intent = rng.choice(intents)
    return Exchange(phrase(rng, rng.choice(intent.questions)), rng.choice(intent.answers))


def read_intents(name: str) -> tuple[Intent, ...]:
    """The intents of a file in `texts`; its first paragraph says how it is written."""
    text = (TEXTS / name).read_text(encoding="utf-8")
    return tuple(_intent(paragraph) for paragraph in text.strip().split("\n\n")[1:])


def _intent(paragraph: str) -> Intent:
    questions, *answers = paragraph.replace("\n| ", "\0").split("\n> ")
    return Intent(tuple(questions.splitlines()), tuple(a.replace("\0", "\n") for a in answers))
