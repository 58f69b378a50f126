"""Examples of which it is known whether they hold a question of a benchmark, with its choices and numbers.

What is planted is the question verbatim, lightly edited, with its numbers written otherwise, or with its choices
in another order and other marks. Harmless examples ask other things in the same style, of the same words; a fourth
of them ask the very same of other years, numbers and, in English, places, as questions of one template do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from services.dataset.benchmarks.items import Item
from services.dataset.copies.numbers import ONES, TENS
from services.dataset.leak_checks.finding import Looked
from tests.unit.dataset.benchmarks.leak_texts import (
    CHANGES,
    EN_ADJECTIVES,
    EN_NOUNS,
    EN_PLACES,
    EN_VERBS,
    ZH_ADJECTIVES,
    ZH_NOUNS,
    ZH_PLACES,
    ZH_VERBS,
    question,
)

SIGNS = "零一二三四五六七八九"
NUMBER = re.compile(r"\d+")


def short_question(draw: random.Random, language: str) -> str:
    """A question that is hardly one without its choices."""
    if language == "zh":
        return f"哪个{draw.choice(ZH_ADJECTIVES)}{draw.choice(ZH_NOUNS)}{draw.choice(ZH_VERBS)}{draw.choice(ZH_NOUNS)}？"
    return f"Which {draw.choice(EN_NOUNS)} {draw.choice(EN_VERBS)} the {draw.choice(EN_ADJECTIVES)} {draw.choice(EN_NOUNS)}?"


def choice(draw: random.Random, language: str) -> str:
    """Something to choose."""
    if language == "zh":
        return f"{draw.choice(ZH_PLACES)}的{draw.choice(ZH_ADJECTIVES)}{draw.choice(ZH_NOUNS)}"
    return f"the {draw.choice(EN_ADJECTIVES)} {draw.choice(EN_NOUNS)} of {draw.choice(EN_PLACES)}"


def in_words(number: int) -> str:
    """An English number, as people say it; from 1100 on as years."""
    if number >= 1100:
        rest = number % 100
        return f"{in_words(number // 100)} {in_words(rest) if rest > 9 else 'hundred' if not rest else 'hundred and ' + ONES[rest]}"
    if number >= 100:
        return f"{ONES[number // 100]} hundred" + (f" and {in_words(number % 100)}" if number % 100 else "")
    if number < 20:
        return ONES[number]
    return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")


def in_signs(number: int) -> str:
    """A Chinese number; from 1000 on as years."""
    if number >= 1000:
        return "".join(SIGNS[int(digit)] for digit in str(number))
    hundreds, tens, ones = number // 100, number // 10 % 10, number % 10
    text = f"{SIGNS[hundreds]}百" * bool(hundreds)
    text += f"{SIGNS[tens]}十" if tens else "零" * bool(hundreds and ones)
    return text + SIGNS[ones] * bool(ones)


def with_numbers_otherwise(_draw: random.Random, text: str) -> str:
    """With all numbers in words."""
    said = in_words if " " in text else in_signs
    return NUMBER.sub(lambda found: said(int(found[0])), text)


KINDS = ("verbatim", "edited", "numbers", "reordered")
PLANTED: Mapping[str, Callable[[random.Random, str], str]] = {
    "verbatim": CHANGES[0],
    "numbers": with_numbers_otherwise,
}


@dataclass(frozen=True)
class PlantedLeaks:
    """A benchmark, examples, and of each example that leaks the index of its question and how it was changed."""

    items: list[Item]
    examples: list[Looked]
    planted: dict[int, tuple[int, str]]


def planted_leaks(language: str, items: int, examples: int, leaks: int, seed: int = 1) -> PlantedLeaks:
    """Make a test set: of the questions half have choices, and half of these are short."""
    draw = random.Random(seed)  # noqa: S311  # made-up texts
    questions = [made(draw, language, row) for row in range(items)]
    places = draw.sample(range(examples), leaks)
    there = {item.question for item in questions}
    planted: dict[int, tuple[int, str]] = {}
    for number, place in enumerate(places):
        kind = KINDS[number % len(KINDS)]
        fitting = [at for at in draw.sample(range(items), min(items, 20)) if fits(questions[at], kind)]
        planted[place] = fitting[0], kind
    looked = []
    for place in range(examples):
        if place in planted:
            at, kind = planted[place]
            asked = planted_text(draw, questions[at], kind)
        else:
            item = harmless(draw, language, place, questions)
            while item.question in there:
                item = harmless(draw, language, place, questions)
            asked = listed(draw, item)
        looked.append(Looked(str(place), "sft", content(asked, choice(draw, language))))
    return PlantedLeaks(questions, looked, planted)


def made(draw: random.Random, language: str, row: int) -> Item:
    """A question."""
    asked = short_question(draw, language) if row % 4 == 0 else question(draw, language)
    choices = tuple({choice(draw, language): None for _ in range(4)}) if row % 2 == 0 else ()
    return Item("b", row, asked, choices, choice(draw, language))


def harmless(draw: random.Random, language: str, row: int, questions: list[Item]) -> Item:
    """Another question; every fourth of the template of one of the benchmark, but for those that are short."""
    item = made(draw, language, row)
    if row % 4 != 3:
        return item
    # Where 19 letters stand between two numbers they are a leak, whatever the numbers.
    fitting = [one.question for one in draw.sample(questions, 9) if "规定" not in one.question]
    return item._replace(question=of_template(draw, fitting[0]))


def of_template(draw: random.Random, text: str) -> str:
    """A question that differs in its numbers, and in English in the place."""
    text = NUMBER.sub(lambda found: other_number(draw, found[0]), text)
    for place in EN_PLACES:
        if place in text:
            return text.replace(place, draw.choice([one for one in EN_PLACES if one != place]))
    return text


def other_number(draw: random.Random, number: str) -> str:
    """A number of about that size."""
    low, high = (1950, 2025) if len(number) == 4 else (2, 990)
    return str(draw.choice([one for one in range(low, high + 1) if str(one) != number]))


def fits(item: Item, kind: str) -> bool:
    """Whether a question can be changed so: a short one is known by its choices."""
    short = item.row % 4 == 0
    return bool(item.choices) if kind == "reordered" else not short or kind == "verbatim"


def planted_text(draw: random.Random, item: Item, kind: str) -> str:
    """What an example asks that leaks a question."""
    if kind == "reordered":
        return listed(draw, item._replace(choices=tuple(draw.sample(item.choices, len(item.choices)))))
    change = PLANTED[kind] if kind in PLANTED else draw.choice(CHANGES[1:])
    return listed(draw, item._replace(question=change(draw, item.question)))


def listed(draw: random.Random, item: Item) -> str:
    """A question with its choices, each after some mark."""
    marks = draw.choice(["ABCD", "1234", "①②③④"])
    lines = [f"{mark}. {one}" for mark, one in zip(marks, item.choices, strict=False)]
    return "\n".join([item.question, *lines])


def content(asked: str, answer: str) -> bytes:
    """What an example says."""
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return orjson.dumps({"messages": turns})
