"""What is written beside questions about one fact, clean and with planted faults.

It is about pumps, of each of which two facts are told, in chunks that their code links. Of each kind there is
one text about each chunk: that about the first fact is clean and must be kept, that about the second has a
fault. As in `flawed_texts`, what is said is known from the number of the pump alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from tests.support.flawed_texts import NAMES

KINDS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "multi_hop": {"one_chunk_quoted": frozenset({"QUOTES_NOT_OF_BOTH"})},
    "unanswerable": {
        "not_refused": frozenset({"NOT_REFUSED"}),
        "found_answer": frozenset({"ANSWERABLE"}),
        "hidden_answer": frozenset({"ANSWERABLE"}),
    },
    "template": {"unknown_label": frozenset({"LABEL_UNKNOWN"})},
    "preference_pair": {
        "bad_is_quoted": frozenset({"NOT_BAD"}),
        "bad_is_good": frozenset({"NOT_BAD"}),
    },
}
"""By kind what is planted, and the reasons by which it may be caught."""
KIND_FAULTS: Mapping[str, frozenset[str]] = {
    fault: reasons for faults in KINDS.values() for fault, reasons in faults.items()
}
LABELS = {"en": ("weight", "place"), "zh": ("重量", "位置")}
TEMPLATE = {"en": "What is told about the pump?", "zh": "说的是水泵的什么？"}


@dataclass(frozen=True)
class Pump:
    """Two facts about a pump, each with a plain question and its answer."""

    number: int
    language: str
    it: str
    code: str
    sentences: tuple[str, str]
    questions: tuple[str, str]
    answers: tuple[str, str]


@dataclass(frozen=True)
class Posed:
    """A question about a fact, and what is said to it.

    Args:
        sentence: the fact.
        question: what is asked.
        reply: what the model answers, by the members that it is asked for.
        fault: what is planted; empty where all is clean.
        verdict: what a judge says otherwise than that all is well.
    """

    sentence: str
    question: str
    reply: Mapping[str, Any]
    fault: str = ""
    verdict: Mapping[str, Any] = field(default_factory=dict)


def pumps(language: str, count: int) -> list[Pump]:
    """So many pumps, no two of which are of the same building."""
    names = list(product(*NAMES[language]))
    # Neighbours share as little as can be.
    named = [names[(number * 101) % len(names)] for number in range(count)]
    make = pump_en if language == "en" else pump_zh
    return [make(*one, number) for number, one in enumerate(named)]


def pump_en(name: str, kind: str, town: str, number: int) -> Pump:
    """A pump in English."""
    it, code, kilograms, door = (
        f"the {name} {kind} in {town}",
        f"KX{1000 + number}",
        43 + number,
        5000 + number,
    )
    return Pump(
        number,
        "en",
        it,
        code,
        (
            f"The pump {code} of {it} weighs {kilograms} kilograms.",
            f"The pump {code} stands behind door {door} of {it}.",
        ),
        (
            f"How many kilograms does the pump {code} of {it} weigh?",
            f"Behind which door of {it} does the pump {code} stand?",
        ),
        (f"{kilograms} kilograms.", f"Behind door {door}."),
    )


def pump_zh(name: str, kind: str, town: str, number: int) -> Pump:
    """A pump in Chinese."""
    it, code, kilograms, door = f"{town}{name}{kind}", f"KX{1000 + number}", 43 + number, 5000 + number
    return Pump(
        number,
        "zh",
        it,
        code,
        (f"{it}的水泵 {code} 重达 {kilograms} 公斤。", f"水泵 {code} 装在{it}的 {door} 号门后。"),
        (f"{it}的水泵 {code} 有多少公斤重？", f"水泵 {code} 装在{it}的几号门后？"),
        (f"{kilograms} 公斤。", f"{door} 号门后。"),
    )


def plain(one: Pump) -> list[Posed]:
    """Clean questions about each fact alone, to which preference pairs are written."""
    return [
        Posed(sentence, question, {"quote": sentence, "answer": answer})
        for sentence, question, answer in zip(one.sentences, one.questions, one.answers, strict=True)
    ]


def multi_hop(one: Pump, fault: str) -> list[Posed]:
    """Questions over both facts; with the fault both quotes are of one chunk."""
    (weight, place), (kilograms, door) = one.sentences, one.answers
    number = 5000 + one.number
    if one.language == "en":
        asked = (
            f"Behind which door does one find the pump of {one.it} that weighs {43 + one.number} kilograms?",
            f"What does the pump weigh that one sees when door {number} of {one.it} is opened?",
        )
    else:
        asked = (
            f"属于{one.it}、重 {43 + one.number} 公斤的水泵要到几号门后去找？",
            f"打开{one.it}的 {number} 号门，里面的水泵有多重？",
        )
    return [
        Posed(weight, asked[0], {"quote_1": weight, "quote_2": place, "answer": door}),
        Posed(place, asked[1], {"quote_1": place, "quote_2": place, "answer": kilograms}, fault),
    ]


def unanswerable(one: Pump, fault: str) -> list[Posed]:
    """Questions that the facts leave open, and answers that say so, but for the fault."""
    (weight, place), (kilograms, door) = one.sentences, one.answers
    if one.language == "en":
        asked = (
            f"Who paid for the pump {one.code} of {one.it}?",
            f"When was the pump {one.code} of {one.it} repaired?",
        )
        honest = (
            f"I do not know who paid for the pump {one.code}. What I know is that it weighs {kilograms}",
            f"I do not know when it was repaired. What I know is that it stands {door.lower()}",
        )
        guesses = ("In the spring.", "I do not know, but it was probably in the spring.")
    else:
        asked = (
            f"{one.it}的水泵 {one.code} 是由谁出资的？",
            f"{one.it}的水泵 {one.code} 上次检修是什么时候？",
        )
        honest = (f"我不知道由谁出资，只知道它重达 {kilograms}", f"我不知道检修的时间，只知道它装在 {door}")
        guesses = ("在春天。", "我不知道，大概是在春天。")
    guess = guesses[one.number // len(KINDS["unanswerable"]) % len(guesses)]
    says = {"not_refused": guess, "found_answer": door}.get(fault, honest[1])
    open_: Mapping[str, Any] = {"answerable": False}
    return [
        Posed(weight, asked[0], {"nearby": weight, "answered": False, "answer": honest[0]}, "", open_),
        Posed(
            place,
            asked[1],
            {"nearby": place, "answered": fault == "found_answer", "answer": says},
            fault,
            {} if fault == "hidden_answer" else open_,
        ),
    ]


def template(one: Pump, fault: str) -> list[Posed]:
    """The question of a template about each fact; the label with the fault is none."""
    weight, place = one.sentences
    none = "colour" if one.language == "en" else "颜色"
    return [
        Posed(weight, TEMPLATE[one.language], {"quote": weight, "answer": LABELS[one.language][0]}),
        Posed(place, TEMPLATE[one.language], {"quote": place, "answer": none}, fault),
    ]


def preference_pair(one: Pump, fault: str) -> list[Posed]:
    """Bad answers to the plain questions; with a fault one that its source says, or that is right."""
    weight, place = one.sentences
    number = 5000 + one.number
    english = one.language == "en"
    wrong = f"{900 + one.number} kilograms." if english else f"{900 + one.number} 公斤。"
    said = f"{one.it[0].upper()}{one.it[1:]}." if english else f"{one.it}。"
    right = f"Behind the door of number {number}." if english else f"门牌为 {number} 的门的后面。"
    return [
        Posed(weight, one.questions[0], {"bad_answer": wrong}),
        Posed(
            place,
            one.questions[1],
            {"bad_answer": said if fault == "bad_is_quoted" else right},
            fault,
            {"worse": False} if fault == "bad_is_good" else {},
        ),
    ]


POSE = {
    "multi_hop": multi_hop,
    "unanswerable": unanswerable,
    "template": template,
    "preference_pair": preference_pair,
}


def posed_of(kind: str, found: Sequence[Pump]) -> list[Posed]:
    """The texts of a kind about pumps, its faults in turn."""
    faults = list(KINDS[kind])
    return [text for one in found for text in POSE[kind](one, faults[one.number % len(faults)])]


def handbook(found: Sequence[Pump]) -> bytes:
    """The facts as a document, each under a heading of its own, those of a pump beside each other."""
    return "".join(
        f"# {one.number}.{place}\n\n{sentence}\n\n"
        for one in found
        for place, sentence in enumerate(one.sentences, 1)
    ).encode()
