"""English short and long stories, and the requests for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .documents import Exchange, phrase_en

GIRLS = (
    "Lily",
    "Anna",
    "Mia",
    "Lucy",
    "Emma",
    "Rosie",
    "Nina",
    "Ella",
    "Molly",
    "Zoe",
    "Ruby",
    "Sara",
)
BOYS = (
    "Tom",
    "Ben",
    "Max",
    "Sam",
    "Leo",
    "Tim",
    "Jack",
    "Finn",
    "Oscar",
    "Noah",
    "Paul",
    "Charlie",
)
KINDS = (
    "rabbit",
    "fox",
    "bear",
    "mouse",
    "cat",
    "dog",
    "bird",
    "frog",
    "turtle",
    "duck",
    "squirrel",
    "owl",
    "lion",
    "dragon",
    "robot",
    "girl",
    "boy",
    "hedgehog",
    "penguin",
    "pony",
    "elephant",
)
TRAITS = ("little", "brave", "shy", "curious", "kind", "clever", "happy", "quiet", "young", "funny")
HOMES = (
    "in a small house near the forest",
    "by a wide blue river",
    "at the foot of a tall hill",
    "in a quiet green valley",
    "on a farm with red roofs",
    "near the sea",
    "under an old oak tree",
    "at the edge of a little town",
    "in a garden full of flowers",
    "beside a deep lake",
)
PLACES = (
    "the forest",
    "the river",
    "the hill",
    "the garden",
    "the old bridge",
    "the lake",
    "the meadow",
    "the market",
    "the beach",
    "the cave",
    "the mill",
    "the big tree",
)
THINGS = (
    "red ball",
    "shiny key",
    "golden leaf",
    "blue kite",
    "old lantern",
    "small drum",
    "silver bell",
    "warm scarf",
    "wooden boat",
    "green hat",
    "round stone",
    "little book",
    "paper star",
    "music box",
)
FOODS = (
    "apples",
    "honey cakes",
    "berries",
    "warm bread",
    "nuts",
    "carrots",
    "pancakes",
    "cherries",
)
SKILLS = (
    "swim",
    "sing",
    "dance",
    "fly a kite",
    "bake bread",
    "whistle",
    "climb trees",
    "paint",
    "ride a bike",
    "play the drum",
    "tell jokes",
    "read",
)
WEATHER = (
    "The sun was warm and the sky was blue.",
    "A soft wind moved the leaves.",
    "It was a cool morning and the grass was wet.",
    "The first snow had fallen in the night.",
    "It had rained all night, and now everything was green.",
    "The birds were singing in the trees.",
)
MORALS = (
    "It is good to have a friend.",
    "A kind word can change a whole day.",
    "When you share, everyone has more.",
    "You should never give up too soon.",
    "Even a small friend can be a big help.",
    "The best things are not things at all.",
    "It is brave to ask for help.",
    "Being kind is never a waste of time.",
)
ENDINGS = (
    "And from that day on, they were the best of friends.",
    "They lived happily ever after.",
    "That night {name} fell asleep with a smile.",
    "{name} never forgot that day.",
    "And everyone went home happy.",
    "And {name} learned something new: {moral}",
)
STARTS = (
    "Once upon a time, there was a {trait} {kind} named {name}.",
    "Once upon a time, a {trait} {kind} named {name} lived {home}.",
    "Once upon a time, {home}, there lived a {trait} {kind} named {name}.",
    "Once upon a time there was a {trait} {kind}. {His} name was {name}.",
)


@dataclass(frozen=True)
class Hero:
    """Who a story is about."""

    name: str
    kind: str
    girl: bool

    @property
    def he(self) -> str:
        return "she" if self.girl else "he"

    @property
    def him(self) -> str:
        return "her" if self.girl else "him"

    @property
    def his(self) -> str:
        return "her" if self.girl else "his"


def make_hero(rng: Random, kind: str | None = None, unlike: Hero | None = None) -> Hero:
    """A hero of the wanted kind; another name and kind than `unlike`."""
    kind = kind or rng.choice([k for k in KINDS if unlike is None or k != unlike.kind])
    girl = kind == "girl" or (kind != "boy" and rng.random() < 0.5)
    names = [n for n in (GIRLS if girl else BOYS) if unlike is None or n != unlike.name]
    return Hero(rng.choice(names), kind, girl)


def _lost(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    first, second, third = rng.sample(PLACES, 3)
    return [
        f"{a.name} had a {thing}, and {a.he} loved it very much.",
        f"One day, the {thing} was gone. {a.name} looked everywhere, but {a.he} could not find it.",
        f"On the way to {first}, {a.he} met a {b.kind} named {b.name}.",
        f'"Why are you so sad?" asked {b.name}. "I lost my {thing}," said {a.name}.',
        f'"I will help you," said {b.name}, and they looked together.',
        f"They looked at {second}, but it was not there.",
        f"Then they came to {third}, and there it was!",
        f'"Thank you, {b.name}!" said {a.name}. "Let us play with it together."',
    ]


def _stuck(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    place = rng.choice(PLACES)
    return [
        f"{a.name} wanted a friend, but {a.he} was often alone.",
        f"One day, {a.he} walked to {place}. {rng.choice(WEATHER)}",
        f'There {a.he} heard a small voice. "Help me, please!"',
        f"It was a {b.kind} named {b.name}, "
        f"who was stuck in a {rng.choice(('hole', 'bush', 'net'))}.",
        f"{a.name} was afraid, but {a.he} took a deep breath and pulled and pulled.",
        f"At last {b.name} was free.",
        f'"You saved me," said {b.name}. "Take my {thing}. It is for you."',
        f'"I do not need a present," said {a.name}. "I only want a friend."',
        f'{b.name} laughed. "Then you have one now!"',
    ]


def _storm(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    place = rng.choice(PLACES)
    return [
        f"One evening, dark clouds came over {place}, and a big storm began.",
        f"The wind was loud and the rain was cold. {a.name} was glad to be at home.",
        f"Then somebody knocked at the door. It was a {b.kind} named {b.name}, wet and tired.",
        f'"Come in," said {a.name}. "You can stay here tonight."',
        f"{a.name} made a fire and gave {b.name} some {rng.choice(FOODS)}.",
        "They told each other stories until the storm was over.",
        f"In the morning the sky was clear, and {b.name} gave {a.name} a {thing}.",
    ]


def _learn(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    skill = rng.choice(SKILLS)
    return [
        f"{a.name} wanted to learn to {skill}, but it was very hard.",
        f"The first time, it went wrong, and {a.he} was sad.",
        f'"I will never learn to {skill}," said {a.name}.',
        f"{a.his.capitalize()} friend {b.name}, a {b.kind}, said: "
        '"Try again. I will stay with you."',
        f"So {a.name} tried again and again, every day, near {rng.choice(PLACES)}.",
        f"After {rng.choice(('three', 'five', 'seven', 'ten'))} days, it worked!",
        f'"Look, {b.name}!" said {a.name}. "I can {skill}!"',
        f"{b.name} was so proud that {b.he} gave {a.him} a {thing}.",
    ]


def _share(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    food = rng.choice(FOODS)
    return [
        f"One morning, {a.name} went to {rng.choice(PLACES)}. {rng.choice(WEATHER)}",
        f"{a.he.capitalize()} carried a basket of {food}.",
        f"Soon {a.he} met a {b.kind} named {b.name}, who was very hungry.",
        f'"I have not eaten all day," said {b.name}.',
        f"{a.name} looked at the {food}. There were not many, "
        f"but {a.he} gave {b.name} half of them.",
        f'"You are very kind," said {b.name}. "Come with me. I want to show you something."',
        f"Behind {rng.choice(PLACES)}, there was a {thing}, and {b.name} gave it to {a.name}.",
    ]


def _map(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    first, second = rng.sample(PLACES, 2)
    return [
        f"One day, {a.name} found an old map. It showed the way to a treasure.",
        f"{a.name} asked {a.his} friend {b.name}, a {b.kind}, to come along.",
        f"They walked past {first}. {rng.choice(WEATHER)}",
        f"Then they walked past {second}, and {b.name} was tired, but {a.name} was not.",
        f'"We are almost there," said {a.name}.',
        f"Under a big stone they found a box. In the box there was a {thing}.",
        f'"It belongs to both of us," said {a.name}, and {b.name} was happy.',
    ]


def _night(rng: Random, a: Hero, b: Hero, thing: str) -> list[str]:
    return [
        f"One night, {a.name} could not sleep. The moon was big and round.",
        f"{a.he.capitalize()} went outside and sat down near {rng.choice(PLACES)}.",
        f"A {b.kind} named {b.name} was there, too, looking at the stars.",
        f'"What are you looking for?" asked {a.name}.',
        f'"I want to count the stars," said {b.name}, "but there are too many."',
        f'"Then let us count them together," said {a.name}.',
        "They counted to one hundred, and then they were so tired that they fell asleep.",
        f"In the morning, a {thing} was lying in the grass, as if a star had fallen down.",
    ]


PLOTS: tuple[Callable[[Random, Hero, Hero, str], list[str]], ...] = (
    _lost,
    _stuck,
    _storm,
    _learn,
    _share,
    _map,
    _night,
)
NEXT = (
    "The next day, a new adventure began.",
    "A few days later, something else happened.",
    "But the story does not end here.",
    "When spring came, there was more to see.",
    "After a week, the two friends met again.",
    "And then came another day.",
)


def _opening(rng: Random, hero: Hero) -> str:
    text = rng.choice(STARTS).format(
        trait=rng.choice(TRAITS),
        kind=hero.kind,
        name=hero.name,
        home=rng.choice(HOMES),
        His=hero.his.capitalize(),
    )
    return text.replace(" a elephant", " an elephant").replace(" a old", " an old")


def _ending(rng: Random, hero: Hero) -> str:
    return rng.choice(ENDINGS).format(name=hero.name, moral=rng.choice(MORALS))


def _tidy(text: str) -> str:
    for vowel in ("elephant", "owl", "old"):
        text = text.replace(f" a {vowel}", f" an {vowel}")
    return text


def make_story(
    rng: Random, kind: str | None = None, chapters: int = 1, thing: str | None = None
) -> str:
    """A story of so many chapters, a paragraph each."""
    hero = make_hero(rng, kind)
    paragraphs = []
    for number, plot in enumerate(rng.sample(PLOTS, chapters)):
        friend = make_hero(rng, unlike=hero)
        start = _opening(rng, hero) if number == 0 else rng.choice(NEXT)
        lines = plot(rng, hero, friend, thing or rng.choice(THINGS))
        paragraphs.append(" ".join([start, *lines]))
    return _tidy("\n\n".join(paragraphs) + " " + _ending(rng, hero))


ASK = (
    "Tell me a story.",
    "Tell me a short story.",
    "Can you tell me a story?",
    "Write a story.",
    "Write a short story.",
    "I want to hear a story.",
    "Please tell me a story.",
    "A story please.",
    "Story!",
    "Tell a story.",
    "Do you know a story?",
    "Write me a bedtime story.",
    "Make up a story.",
)
ASK_ABOUT = (
    "Tell me a story about a {kind}.",
    "Write a story about a {kind}.",
    "Can you tell me a story about a {kind}?",
    "Tell me a short story about a little {kind}.",
    "I want to hear a story about a {kind}.",
    "Write a short story about a {kind}.",
    "A story about a {kind}, please.",
    "Do you know a story about a {kind}?",
)
ASK_THING = ("Tell me a story about a {thing}.", "Write a story with a {thing}.")
ASK_LONG = (
    "Tell me a long story.",
    "Write a long story.",
    "Can you tell me a very long story?",
    "Tell me a really long story.",
    "Write a very long story.",
    "I want to hear a long story.",
    "Tell me a long bedtime story.",
    "Please write a long story.",
    "Write a long fairy tale.",
)
ASK_LONG_ABOUT = ("Tell me a long story about a {kind}.", "Write a long story about a {kind}.")


def ask_story(rng: Random) -> Exchange:
    """A request for a short story, sometimes about something, and the story."""
    style = rng.random()
    if style < 0.45:
        kind = rng.choice(KINDS)
        question = rng.choice(ASK_ABOUT).format(kind=kind)
        return Exchange(phrase_en(rng, _tidy(question)), make_story(rng, kind))
    if style < 0.6:
        thing = rng.choice(THINGS)
        question = rng.choice(ASK_THING).format(thing=thing)
        return Exchange(phrase_en(rng, _tidy(question)), make_story(rng, thing=thing))
    return Exchange(phrase_en(rng, rng.choice(ASK)), make_story(rng))


def ask_long_story(rng: Random) -> Exchange:
    """A request for a long story and a story of three to five chapters."""
    chapters = rng.choice((3, 3, 4, 4, 5))
    if rng.random() < 0.4:
        kind = rng.choice(KINDS)
        question = rng.choice(ASK_LONG_ABOUT).format(kind=kind)
        return Exchange(phrase_en(rng, _tidy(question)), make_story(rng, kind, chapters))
    return Exchange(phrase_en(rng, rng.choice(ASK_LONG)), make_story(rng, chapters=chapters))
