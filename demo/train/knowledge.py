"""Colours, animals, days and other small knowledge."""

from __future__ import annotations

from random import Random

from .documents import Exchange, phrase_en, phrase_zh, read_intents

COLOURS = {
    "sky": "blue",
    "sun": "yellow",
    "grass": "green",
    "snow": "white",
    "banana": "yellow",
    "tomato": "red",
    "night": "black",
    "carrot": "orange",
    "sea": "blue",
    "leaf": "green",
    "strawberry": "red",
    "milk": "white",
    "lemon": "yellow",
    "frog": "green",
    "coal": "black",
    "cherry": "red",
    "cloud": "white",
    "chocolate": "brown",
    "blood": "red",
    "pig": "pink",
}
COLOURS_ZH = {
    "天空": "蓝色",
    "太阳": "黄色",
    "草": "绿色",
    "雪": "白色",
    "香蕉": "黄色",
    "番茄": "红色",
    "大海": "蓝色",
    "树叶": "绿色",
    "草莓": "红色",
    "牛奶": "白色",
    "柠檬": "黄色",
    "胡萝卜": "橙色",
}
SOUNDS = {
    "cat": "meow 🐱",
    "dog": "woof 🐶",
    "cow": "moo 🐮",
    "duck": "quack 🦆",
    "sheep": "baa 🐑",
    "frog": "ribbit 🐸",
    "lion": "roar 🦁",
    "pig": "oink 🐷",
    "bee": "buzz 🐝",
    "mouse": "squeak 🐭",
}
SOUNDS_ZH = {
    "猫": "喵喵 🐱",
    "狗": "汪汪 🐶",
    "牛": "哞哞 🐮",
    "鸭子": "嘎嘎 🦆",
    "羊": "咩咩 🐑",
    "青蛙": "呱呱 🐸",
}
LEGS = {
    "dog": 4,
    "cat": 4,
    "spider": 8,
    "bird": 2,
    "horse": 4,
    "ant": 6,
    "cow": 4,
    "duck": 2,
    "bee": 6,
    "fish": 0,
    "snake": 0,
    "chicken": 2,
    "table": 4,
}
ANIMALS = (
    "cat",
    "dog",
    "horse",
    "lion",
    "elephant",
    "duck",
    "rabbit",
    "fish",
    "bird",
    "frog",
    "bear",
    "fox",
)
FRUITS = ("apple", "banana", "cherry", "lemon", "pear", "strawberry", "orange", "plum")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS_ZH = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
OPPOSITES = {
    "big": "small",
    "hot": "cold",
    "day": "night",
    "up": "down",
    "fast": "slow",
    "old": "new",
    "happy": "sad",
    "good": "bad",
    "long": "short",
    "left": "right",
    "open": "closed",
    "full": "empty",
    "high": "low",
    "yes": "no",
    "black": "white",
    "early": "late",
}
OPPOSITES_ZH = {
    "大": "小",
    "热": "冷",
    "白天": "黑夜",
    "上": "下",
    "快": "慢",
    "新": "旧",
    "高兴": "难过",
    "好": "坏",
    "长": "短",
    "左": "右",
    "高": "低",
    "黑": "白",
}
WORDS_ZH = {
    "hello": "你好",
    "thank you": "谢谢",
    "goodbye": "再见",
    "cat": "猫",
    "dog": "狗",
    "water": "水",
    "server": "服务器",
    "model": "模型",
    "friend": "朋友",
    "sun": "太阳",
    "moon": "月亮",
    "book": "书",
    "bird": "鸟",
    "fish": "鱼",
    "one": "一",
    "two": "二",
    "three": "三",
    "red": "红色",
    "blue": "蓝色",
    "story": "故事",
    "good morning": "早上好",
    "apple": "苹果",
}
CAPITALS = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Germany": "Berlin",
    "Egypt": "Cairo",
    "Canada": "Ottawa",
    "China": "Beijing",
    "Spain": "Madrid",
    "Italy": "Rome",
    "Norway": "Oslo",
    "Peru": "Lima",
    "England": "London",
    "Russia": "Moscow",
}
CAPITALS_ZH = {
    "法国": "巴黎",
    "日本": "东京",
    "德国": "柏林",
    "中国": "北京",
    "英国": "伦敦",
    "意大利": "罗马",
}
FACTS = read_intents("facts.en.txt")
FACTS_ZH = read_intents("facts.zh.txt")


def _choose(rng: Random, *questions: str) -> str:
    return rng.choice(questions)


def _colour(rng: Random) -> tuple[str, str]:
    thing, colour = rng.choice(list(COLOURS.items()))
    question = _choose(
        rng,
        f"What colour is the {thing}?",
        f"What color is the {thing}?",
        f"Which colour has the {thing}?",
        f"What is the color of the {thing}?",
        f"Which color is a {thing}?",
        f"What color is {thing}?",
    )
    return question, f"The {thing} is {colour}."


def _sound(rng: Random) -> tuple[str, str]:
    animal, sound = rng.choice(list(SOUNDS.items()))
    question = _choose(
        rng,
        f"What does a {animal} say?",
        f"What does the {animal} say?",
        f"What sound does a {animal} make?",
        f"How does a {animal} sound?",
    )
    return question, f"The {animal} says {sound}"


def _legs(rng: Random) -> tuple[str, str]:
    animal, legs = rng.choice(list(LEGS.items()))
    question = _choose(
        rng, f"How many legs does a {animal} have?", f"How many legs has a {animal}?"
    )
    return question.replace(" a ant", " an ant"), f"A {animal} has {legs or 'no'} legs.".replace(
        "A ant", "An ant"
    )


def _next_day(rng: Random) -> tuple[str, str]:
    names, unit = rng.choice(((DAYS, "day"), (MONTHS, "month")))
    at = rng.randrange(len(names))
    if rng.random() < 0.6:
        question = _choose(
            rng,
            f"What comes after {names[at]}?",
            f"Which {unit} comes after {names[at]}?",
            f"What is the {unit} after {names[at]}?",
        )
        return question, f"After {names[at]} comes {names[(at + 1) % len(names)]}."
    question = _choose(
        rng, f"What comes before {names[at]}?", f"Which {unit} comes before {names[at]}?"
    )
    return question, f"Before {names[at]} comes {names[at - 1]}."


def _opposite(rng: Random) -> tuple[str, str]:
    pair = list(rng.choice(list(OPPOSITES.items())))
    rng.shuffle(pair)
    question = _choose(
        rng,
        f"What is the opposite of {pair[0]}?",
        f"Opposite of {pair[0]}?",
        f"What's the opposite of {pair[0]}?",
    )
    return question, f"The opposite of {pair[0]} is {pair[1]}."


def _translate(rng: Random) -> tuple[str, str]:
    english, chinese = rng.choice(list(WORDS_ZH.items()))
    if rng.random() < 0.6:
        question = _choose(
            rng,
            f'What is "{english}" in Chinese?',
            f"How do you say {english} in Chinese?",
            f"Translate {english} to Chinese.",
            f"What does {english} mean in Chinese?",
        )
        return question, f'"{english}" in Chinese is "{chinese}".'
    question = _choose(
        rng,
        f"What does {chinese} mean?",
        f"What is {chinese} in English?",
        f"Translate {chinese} to English.",
    )
    return question, f'"{chinese}" in English is "{english}".'


def _capital(rng: Random) -> tuple[str, str]:
    country, capital = rng.choice(list(CAPITALS.items()))
    question = _choose(
        rng,
        f"What is the capital of {country}?",
        f"What's the capital of {country}?",
        f"Which city is the capital of {country}?",
        f"Capital of {country}?",
    )
    return question, f"The capital of {country} is {capital}."


def _name_some(rng: Random) -> tuple[str, str]:
    what, words = rng.choice((("animals", ANIMALS), ("fruits", FRUITS)))
    count = rng.choice((3, 4, 5))
    picked = words[:count]
    question = _choose(
        rng, f"Name {count} {what}.", f"List {count} {what}.", f"Tell me {count} {what}."
    )
    return question, f"Here are {count} {what}: {', '.join(picked[:-1])} and {picked[-1]}."


def _fact(rng: Random) -> tuple[str, str]:
    fact = rng.choice(FACTS)
    return rng.choice(fact.questions), fact.answers[0]


KNOWN = (
    _colour,
    _sound,
    _legs,
    _next_day,
    _opposite,
    _translate,
    _capital,
    _name_some,
    _fact,
    _fact,
    _fact,
)


def ask_known(rng: Random) -> Exchange:
    """A small English question of general knowledge."""
    question, answer = rng.choice(KNOWN)(rng)
    return Exchange(phrase_en(rng, question), answer)


def ask_known_zh(rng: Random) -> Exchange:
    """A small Chinese question of general knowledge."""
    style = rng.randrange(6)
    if style == 0:
        thing, colour = rng.choice(list(COLOURS_ZH.items()))
        question = _choose(
            rng, f"{thing}是什么颜色？", f"{thing}是什么颜色的？", f"{thing}的颜色是什么？"
        )
        return Exchange(phrase_zh(rng, question), f"{thing}是{colour}的。")
    if style == 1:
        animal, sound = rng.choice(list(SOUNDS_ZH.items()))
        question = _choose(
            rng, f"{animal}怎么叫？", f"{animal}的叫声是什么？", f"{animal}是怎么叫的？"
        )
        return Exchange(phrase_zh(rng, question), f"{animal}的叫声是{sound}")
    if style == 2:
        at = rng.randrange(7)
        question = _choose(rng, f"{DAYS_ZH[at]}后面是什么？", f"{DAYS_ZH[at]}之后是星期几？")
        return Exchange(phrase_zh(rng, question), f"{DAYS_ZH[at]}之后是{DAYS_ZH[(at + 1) % 7]}。")
    if style == 3:
        word, opposite = rng.choice(list(OPPOSITES_ZH.items()))
        question = _choose(rng, f"{word}的反义词是什么？", f"“{word}”的反义词是什么？")
        return Exchange(phrase_zh(rng, question), f"“{word}”的反义词是“{opposite}”。")
    if style == 4:
        country, capital = rng.choice(list(CAPITALS_ZH.items()))
        question = _choose(
            rng,
            f"{country}的首都是哪里？",
            f"{country}的首都是什么？",
            f"{country}首都是哪个城市？",
        )
        return Exchange(phrase_zh(rng, question), f"{country}的首都是{capital}。")
    fact = rng.choice(FACTS_ZH)
    return Exchange(phrase_zh(rng, rng.choice(fact.questions)), fact.answers[0])
