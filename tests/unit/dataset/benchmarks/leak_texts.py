"""Training texts of which it is known whether they hold a question of a benchmark, in English and Chinese.

All are made from the same templates and words, as those of one domain are: harmless ones ask other things in
the same style, and often with the same instruction before the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EN_NOUNS = [
    "pump",
    "valve",
    "invoice",
    "contract",
    "warranty",
    "heron",
    "turbine",
    "filter",
    "sensor",
    "battery",
    "motor",
    "gearbox",
    "ledger",
    "budget",
    "audit",
    "tenant",
    "landlord",
    "vaccine",
    "enzyme",
    "glacier",
    "harbour",
    "bridge",
    "tunnel",
    "orchard",
    "vineyard",
    "copper",
    "nickel",
    "lithium",
    "server",
    "router",
    "compiler",
    "kernel",
    "scheduler",
    "parser",
    "archive",
    "museum",
    "parliament",
    "treaty",
    "senate",
    "tariff",
    "subsidy",
    "pension",
]
EN_VERBS = [
    "limits",
    "requires",
    "delays",
    "replaces",
    "protects",
    "measures",
    "finances",
    "cools",
    "heats",
    "inspects",
    "repairs",
    "approves",
]
EN_ADJECTIVES = [
    "annual",
    "hidden",
    "spare",
    "northern",
    "municipal",
    "reversible",
    "digital",
    "brittle",
    "seasonal",
    "joint",
    "interim",
    "public",
]
EN_PLACES = [
    "Kiel",
    "Lagos",
    "Quito",
    "Osaka",
    "Tartu",
    "Porto",
    "Malmö",
    "Perth",
    "Cusco",
    "Graz",
    "Turin",
    "Leeds",
]
ZH_NOUNS = [
    "水泵",
    "阀门",
    "发票",
    "合同",
    "保修",
    "苍鹭",
    "涡轮",
    "滤芯",
    "传感器",
    "电池",
    "电机",
    "齿轮箱",
    "账簿",
    "预算",
    "审计",
    "租户",
    "房东",
    "疫苗",
    "酶",
    "冰川",
    "港口",
    "桥梁",
    "隧道",
    "果园",
    "葡萄园",
    "铜矿",
    "镍矿",
    "锂矿",
    "服务器",
    "路由器",
    "编译器",
    "内核",
    "调度器",
    "解析器",
    "档案",
    "博物馆",
    "议会",
    "条约",
    "参议院",
    "关税",
    "补贴",
    "养老金",
]
ZH_VERBS = ["限制", "要求", "推迟", "替换", "保护", "测量", "资助", "冷却", "加热", "检查", "修理", "批准"]
ZH_ADJECTIVES = [
    "年度",
    "隐藏",
    "备用",
    "北方",
    "市政",
    "可逆",
    "数字",
    "脆弱",
    "季节性",
    "联合",
    "临时",
    "公共",
]
ZH_PLACES = [
    "基尔",
    "拉各斯",
    "基多",
    "大阪",
    "塔尔图",
    "波尔图",
    "马尔默",
    "珀斯",
    "库斯科",
    "格拉茨",
    "都灵",
    "利兹",
]
INSTRUCTIONS = {
    "en": "Read the question carefully and answer in one short sentence that gives the reason for it: ",
    "zh": "请仔细阅读下面的问题，并用一句简短的话回答且说明理由：",
}


def question(draw: random.Random, language: str) -> str:
    """A question of the domain: three clauses with words that are drawn."""
    zh = language == "zh"
    nouns, verbs, adjectives, places = (
        (ZH_NOUNS, ZH_VERBS, ZH_ADJECTIVES, ZH_PLACES)
        if zh
        else (EN_NOUNS, EN_VERBS, EN_ADJECTIVES, EN_PLACES)
    )
    a, b, c, d = draw.sample(nouns, 4)
    one, two = draw.sample(adjectives, 2)
    verb, other = draw.sample(verbs, 2)
    place, year, number = draw.choice(places), draw.randint(1950, 2025), draw.randint(2, 990)
    if zh:
        return draw.choice(
            [
                f"{year}年{place}的{one}{a}为什么{verb}{number}个{two}{b}，而{c}却{other}{d}？",
                f"如果{place}有{number}个{one}{a}{verb}{b}，那么{year}年的{two}{c}怎样{other}{d}？",
                f"在{place}，谁在{year}年规定{one}{a}{verb}{two}{b}，{c}和{d}{other}多少（以{number}计）？",
            ]
        )
    return draw.choice(
        [
            f"Why did the {one} {a} of {place} in {year}, which {verb} {number} {two} {b}s, fail while the {c} {other} the {d}?",
            f"If {number} {one} {a}s in {place} each {verb} one {b}, how many {two} {c}s would the {d} of {year} need that {other} them?",
            f"Who decided in {year} that the {one} {a} {verb} the {two} {b} in {place}, and what share of {c}s ({number}) {other} a {d}?",
        ]
    )


def same(_draw: random.Random, text: str) -> str:
    """As it is."""
    return text


def in_other_form(draw: random.Random, text: str) -> str:
    """Other case, width and signs."""
    wide = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    return draw.choice([text.upper(), wide, f"“{text}” !", text.replace(" ", "  \n")])


def inside(_draw: random.Random, text: str) -> str:
    """In the middle of a longer text."""
    if text.isascii() or " " in text:
        return f"Yesterday somebody asked me this at the counter. {text} I told them that I would look it up for them soon."
    return f"昨天有人在柜台问了我这样一个问题。{text}我告诉他们我会尽快查一查再答复。"


def cut(_draw: random.Random, text: str) -> str:
    """Without its last tenth."""
    return text[: len(text) * 9 // 10]


def with_other_word(draw: random.Random, text: str) -> str:
    """One word, or two letters, is another."""
    if " " in text:
        words = text.split(" ")
        words[draw.randrange(len(words))] = "whatever"
        return " ".join(words)
    at = draw.randrange(len(text) - 2)
    return text[:at] + "某物" + text[at + 2 :]


CHANGES: Sequence[Callable[[random.Random, str], str]] = (same, in_other_form, inside, cut, with_other_word)


@dataclass(frozen=True)
class LeakTexts:
    """Questions of a benchmark, texts to look at, and of each text that leaks which question."""

    items: list[str]
    texts: list[str]
    planted: dict[int, int]


def leak_texts(language: str, items: int, texts: int, leaks: int, seed: int = 1) -> LeakTexts:
    """Make a test set; a third of all texts and questions begin with the same instruction."""
    draw = random.Random(seed)  # noqa: S311  # made-up texts
    instruction = INSTRUCTIONS[language]

    def dressed(text: str) -> str:
        return instruction + text if draw.random() < 1 / 3 else text

    asked = [question(draw, language) for _ in range(items)]
    there = set(asked)
    harmless: list[str] = []
    while len(harmless) < texts:
        if (text := question(draw, language)) not in there:
            harmless.append(dressed(text))
    planted = {}
    for number, at in enumerate(sorted(draw.sample(range(texts), leaks))):
        item = draw.randrange(items)
        harmless[at] = dressed(CHANGES[number % len(CHANGES)](draw, asked[item]))
        planted[at] = item
    return LeakTexts([dressed(text) for text in asked], harmless, planted)
