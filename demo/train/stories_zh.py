"""Chinese short stories and the requests for them."""

from __future__ import annotations

from random import Random

from .documents import Exchange, phrase_zh

KINDS = (
    "小兔子",
    "小狐狸",
    "小熊",
    "小猫",
    "小狗",
    "小鸟",
    "小乌龟",
    "小松鼠",
    "小老鼠",
    "小象",
    "小龙",
    "小机器人",
)
NAMES = ("白白", "圆圆", "乐乐", "豆豆", "星星", "毛毛", "可可", "点点", "贝贝", "小雨")
PLACES = ("森林里", "小河边", "山脚下", "花园里", "大树下", "湖边", "海边", "草地上")
THINGS = (
    "红色的球",
    "金色的叶子",
    "蓝色的风筝",
    "小铃铛",
    "小木船",
    "绿色的帽子",
    "闪亮的钥匙",
    "纸星星",
)
FOODS = ("苹果", "胡萝卜", "蜂蜜", "面包", "坚果", "樱桃")
SKILLS = ("游泳", "唱歌", "跳舞", "画画", "爬树", "放风筝", "骑车")
ENDINGS = (
    "从此以后，他们成了最好的朋友。",
    "那天晚上，{a}笑着睡着了。",
    "大家都很开心。",
    "{a}明白了：帮助别人，自己也会快乐。",
    "{a}一直记得这一天。",
)


def _lost(rng: Random, a: str, b: str, friend: str) -> str:
    thing, first, second = rng.choice(THINGS), *rng.sample(PLACES, 2)
    return (
        f"{a}有一个{thing}，非常喜欢它。有一天，{thing}不见了，{a}很难过。"
        f"在{first}，{a}遇到了一只{friend}，名叫{b}。“你为什么难过？”{b}问。“我的{thing}不见了。”{a}说。"
        f"“我来帮你找。”{b}说。他们一起找啊找，最后在{second}找到了。“谢谢你，{b}！”{a}高兴地说。"
    )


def _share(rng: Random, a: str, b: str, friend: str) -> str:
    food = rng.choice(FOODS)
    return (
        f"一天早上，{a}带着一些{food}出门了。在{rng.choice(PLACES)}，{a}遇到了一只{friend}，名叫{b}。"
        f"“我一天没吃东西了。”{b}说。{a}把一半的{food}分给了{b}。“你真好！”{b}说，“我们一起玩吧。”"
    )


def _learn(rng: Random, a: str, b: str, friend: str) -> str:
    skill = rng.choice(SKILLS)
    return (
        f"{a}想学{skill}，可是这很难。第一次，{a}失败了，很难过。"
        f"朋友{b}是一只{friend}，它说：“再试一次，我陪着你。”{a}每天都在{rng.choice(PLACES)}练习。"
        f"过了{rng.choice(('三', '五', '七', '十'))}天，{a}终于学会了{skill}。“你真棒！”{b}说。"
    )


def _night(rng: Random, a: str, b: str, friend: str) -> str:
    return (
        f"一天晚上，{a}睡不着，就来到{rng.choice(PLACES)}看月亮。一只名叫{b}的{friend}也在那里。"
        f"“你在做什么？”{a}问。“我在数星星，可是星星太多了。”{b}说。"
        f"“那我们一起数吧。”{a}说。他们数了很久很久，数着数着就睡着了。"
    )


def make_story_zh(rng: Random, kind: str | None = None) -> str:
    """A short Chinese story."""
    kind = kind or rng.choice(KINDS)
    friend = rng.choice([k for k in KINDS if k != kind])
    a, b = rng.sample(NAMES, 2)
    start = rng.choice(
        (
            f"从前，有一只{kind}，名叫{a}，住在{rng.choice(PLACES)}。",
            f"从前，在{rng.choice(PLACES)}住着一只{kind}，名叫{a}。",
        )
    )
    plot = rng.choice((_lost, _share, _learn, _night))
    return start + plot(rng, a, b, friend) + rng.choice(ENDINGS).format(a=a)


ASK = (
    "讲一个故事。",
    "给我讲个故事。",
    "讲个故事吧。",
    "你会讲故事吗？",
    "写一个小故事。",
    "我想听故事。",
    "说一个短故事。",
    "请讲一个睡前故事。",
    "写一个故事。",
)
ASK_ABOUT = (
    "讲一个关于{kind}的故事。",
    "写一个关于{kind}的故事。",
    "我想听{kind}的故事。",
    "给我讲一个{kind}的故事。",
)


def ask_story_zh(rng: Random) -> Exchange:
    """A Chinese request for a story and the story."""
    if rng.random() < 0.4:
        kind = rng.choice(KINDS)
        return Exchange(
            phrase_zh(rng, rng.choice(ASK_ABOUT).format(kind=kind)), make_story_zh(rng, kind)
        )
    return Exchange(phrase_zh(rng, rng.choice(ASK)), make_story_zh(rng))
