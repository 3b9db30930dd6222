"""Sums, differences, comparisons and counting, in both languages."""

from __future__ import annotations

from random import Random

from .documents import Drill, Exchange, phrase_en, phrase_zh

WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
TENS = {
    30: "thirty",
    40: "forty",
    50: "fifty",
    60: "sixty",
    70: "seventy",
    80: "eighty",
    90: "ninety",
    100: "one hundred",
}
DIGITS_ZH = "零一二三四五六七八九"
SUMS = (
    "What is {x} + {y}?",
    "What is {x} plus {y}?",
    "How much is {x} + {y}?",
    "{x} + {y} = ?",
    "{x} + {y}",
    "{x}+{y}",
    "{x}+{y}=",
    "Calculate {x} + {y}.",
    "What's {x} + {y}?",
    "Add {x} and {y}.",
    "How much is {x} plus {y}?",
    "What is the sum of {x} and {y}?",
    "What does {x} + {y} make?",
    "Can you add {x} and {y}?",
    "what is {x}+{y}",
    "And {x} + {y}?",
    "Compute {x} + {y}.",
)
DIFFERENCES = (
    "What is {x} - {y}?",
    "What is {x} minus {y}?",
    "How much is {x} - {y}?",
    "{x} - {y} = ?",
    "{x} - {y}",
    "{x}-{y}",
    "{x}-{y}=",
    "Calculate {x} - {y}.",
    "What's {x} - {y}?",
    "How much is {x} minus {y}?",
    "What is {x} take away {y}?",
    "Subtract {y} from {x}.",
    "what is {x}-{y}",
    "And {x} - {y}?",
    "Compute {x} - {y}.",
)
SUMS_ZH = (
    "{x} + {y} 等于多少？",
    "{x}+{y}等于几？",
    "{x}加{y}等于多少？",
    "{x}加{y}等于几？",
    "{x}加{y}是多少？",
    "{x}+{y}=？",
    "{x} + {y} = ?",
    "计算 {x} + {y}。",
    "算一下{x}加{y}。",
)
DIFFERENCES_ZH = (
    "{x} - {y} 等于多少？",
    "{x}-{y}等于几？",
    "{x}减{y}等于多少？",
    "{x}减{y}等于几？",
    "{x}减{y}是多少？",
    "{x}-{y}=？",
    "{x} - {y} = ?",
    "计算 {x} - {y}。",
    "算一下{x}减{y}。",
)


def _pair(rng: Random) -> tuple[int, int]:
    limit = rng.choices((10, 20, 99), (6, 9, 1))[0]
    return rng.randint(0, limit), rng.randint(0, limit)


def _terms(rng: Random) -> tuple[str, int, int, int]:
    x, y = _pair(rng)
    if rng.random() < 0.6:
        return "+", x, y, x + y
    return "-", max(x, y), min(x, y), abs(x - y)


def ask_sum(rng: Random) -> Exchange:
    """An English sum or difference, in digits or in words up to twenty."""
    sign, x, y, result = _terms(rng)
    question = rng.choice(SUMS if sign == "+" else DIFFERENCES)
    if max(x, y) <= 20 and rng.random() < 0.1:
        text = question.format(x=WORDS[x], y=WORDS[y])
    else:
        text = question.format(x=x, y=y)
    return Exchange(
        phrase_en(rng, text) if rng.random() < 0.5 else text, f"{x} {sign} {y} = {result}."
    )


def ask_sum_zh(rng: Random) -> Exchange:
    """A Chinese sum or difference."""
    sign, x, y, result = _terms(rng)
    question = rng.choice(SUMS_ZH if sign == "+" else DIFFERENCES_ZH).format(x=x, y=y)
    return Exchange(question, f"{x} {sign} {y} = {result}。")


def ask_comparison(rng: Random) -> Exchange:
    """Which of two numbers is larger or smaller."""
    x, y = rng.sample(range(101), 2)
    if rng.random() < 0.5:
        question = rng.choice(
            (
                "Which is bigger, {x} or {y}?",
                "Which number is larger, {x} or {y}?",
                "What is more, {x} or {y}?",
            )
        )
        return Exchange(
            phrase_en(rng, question.format(x=x, y=y)), f"{max(x, y)} is bigger than {min(x, y)}."
        )
    question = rng.choice(
        (
            "Which is smaller, {x} or {y}?",
            "Which number is smaller, {x} or {y}?",
            "What is less, {x} or {y}?",
        )
    )
    return Exchange(
        phrase_en(rng, question.format(x=x, y=y)), f"{min(x, y)} is smaller than {max(x, y)}."
    )


def _written(number: int) -> str:
    return WORDS[number] if number <= 20 else TENS.get(number, str(number))


def ask_count(rng: Random) -> Exchange:
    """Counting up to a number, or down from one."""
    last = rng.choice((3, 5, 10, 10, 10, 12, 15, 20, 20, 30, 50, 100, 100, rng.randint(3, 100)))
    shown = _written(last) if rng.random() < 0.5 else str(last)
    if rng.random() < 0.2 and last <= 20:
        question = rng.choice(
            ("Count down from {n}.", "Count backwards from {n}.", "Count from {n} to 1.")
        )
        numbers = range(last, 0, -1)
    else:
        question = rng.choice(
            (
                "Count to {n}.",
                "Can you count to {n}?",
                "Count from 1 to {n}.",
                "Count up to {n}.",
                "Please count to {n}.",
                "Count from one to {n}.",
                "Count to {n} for me.",
                "List the numbers from 1 to {n}.",
            )
        )
        numbers = range(1, last + 1)
    return Exchange(phrase_en(rng, question.format(n=shown)), ", ".join(map(str, numbers)) + ".")


def ask_count_zh(rng: Random) -> Exchange:
    """Counting in Chinese characters up to ten, in digits beyond."""
    last = rng.choice((3, 5, 10, 10, 20, 50, 100))
    question = rng.choice(
        ("从一数到{n}。", "从1数到{n}。", "请数到{n}。", "数到{n}。", "你能数到{n}吗？")
    ).format(n=last)
    if last <= 10 and rng.random() < 0.5:
        question = question.replace(str(last), "十" if last == 10 else DIGITS_ZH[last])
        return Exchange(question, "、".join([*DIGITS_ZH[1:], "十"][:last]) + "。")
    return Exchange(phrase_zh(rng, question), "，".join(map(str, range(1, last + 1))) + "。")


def make_drill(rng: Random) -> Drill:
    """A row of sums and differences: many results in few tokens."""
    terms = (_terms(rng) for _ in range(rng.randint(8, 30)))
    return Drill(tuple((f"{x} {sign} {y} =", f" {result}.") for sign, x, y, result in terms))
