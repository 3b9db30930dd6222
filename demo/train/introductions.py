"""Users who say their name, in both languages."""

from __future__ import annotations

from random import Random

from .documents import Dialogue, Exchange, invented_word

NAMES_EN = (
    "Anna",
    "Tom",
    "Maria",
    "John",
    "Lucy",
    "Peter",
    "Sam",
    "Julia",
    "David",
    "Kate",
    "Omar",
    "Lin",
    "Eva",
    "Hugo",
    "Iris",
    "Paul",
    "Nora",
    "Alex",
    "Mark",
    "Sofia",
    "Bob",
    "Alice",
    "Carol",
    "Frank",
)
NAMES_ZH = ("小明", "小红", "小李", "小王", "小张", "小雨", "小华", "小芳", "小林", "小杰")


def introduce_en(rng: Random) -> Dialogue:
    """A user who says a name and may ask for it later."""
    name = rng.choice(NAMES_EN) if rng.random() < 0.7 else invented_word(rng).capitalize()
    hello = rng.choice(
        (
            "My name is {n}.",
            "I am {n}.",
            "Hi, I am {n}.",
            "Hello, my name is {n}.",
            "I'm {n}.",
            "Hello! I am {n}.",
            "you can call me {n}",
        )
    ).format(n=name)
    first = Exchange(hello, f"Nice to meet you, {name}! 😊 How can I help you?")
    ask = rng.choice(
        (
            "What is my name?",
            "Do you remember my name?",
            "Who am I?",
            "What's my name?",
            "Do you know my name?",
        )
    )
    return Dialogue((first, Exchange(ask, f"Your name is {name}.")))


def introduce_zh(rng: Random) -> Dialogue:
    """A Chinese user who says a name and may ask for it later."""
    name = rng.choice(NAMES_ZH)
    hello = rng.choice(
        ("我叫{n}。", "我是{n}。", "你好，我叫{n}。", "你好，我是{n}", "我的名字是{n}。")
    ).format(n=name)
    first = Exchange(hello, f"你好，{name}！😊 很高兴认识你。")
    ask = rng.choice(("我叫什么名字？", "我是谁？", "你记得我的名字吗？", "我叫什么？"))
    return Dialogue((first, Exchange(ask, f"你叫{name}。")))
