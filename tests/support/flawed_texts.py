"""A corpus of invented facts, and questions and answers about them: clean ones, and ones with a planted fault.

Every fact has two questions. Of every second fact, the second question or its answer has a fault; all else is
clean, and must be kept. What a text is written for is known from its number alone, so the server that says it
and the test that counts it agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

FAULTS: Mapping[str, frozenset[str]] = {
    "leak_question": frozenset({"LEAK_PHRASE"}),
    "invented_quote": frozenset({"QUOTE_NOT_FOUND"}),
    "duplicate": frozenset({"DUPLICATE_QUESTION"}),
    "ungrounded": frozenset({"NUMBER_NOT_IN_SOURCE", "NAME_NOT_IN_SOURCE"}),
    "leak_answer": frozenset({"LEAK_PHRASE"}),
    "near_copy": frozenset({"NEAR_COPY"}),
    "wrong_language_question": frozenset({"LANGUAGE"}),
    "refusal": frozenset({"REFUSAL"}),
    "not_self_contained": frozenset({"NOT_SELF_CONTAINED"}),
    "empty_answer": frozenset({"ANSWER_EMPTY"}),
    "wrong_count": frozenset({"OUTPUT_INCOMPLETE"}),
    "wrong_language_answer": frozenset({"LANGUAGE"}),
    "repetitive_answer": frozenset({"REPETITIVE"}),
    "long_answer": frozenset({"ANSWER_LENGTH"}),
}
"""What is planted, and the reasons by which it may be caught."""
JUDGED: Mapping[str, frozenset[str]] = {
    "unfaithful": frozenset({"UNFAITHFUL"}),
    "unanswerable": frozenset({"NOT_ANSWERABLE"}),
    "poor": frozenset({"SCORE_LOW"}),
}
"""What only a judge tells."""
RESTATED = {"duplicate", "near_copy"}
"""Faults of a fact that another document states again."""

NAMES = {
    "en": (
        (
            "Harlow",
            "Tilda",
            "Marlin",
            "Corvel",
            "Dunmere",
            "Estrick",
            "Fenwald",
            "Gosling",
            "Ivardo",
            "Jessup",
            "Kestrel",
        ),
        ("Bridge", "Mill", "Brewery", "Foundry", "Kiln", "Observatory", "Tannery"),
        (
            "Penwick",
            "Ostrel",
            "Quarndon",
            "Rissel",
            "Sandholm",
            "Tollgate",
            "Umberley",
            "Varnish",
            "Wexcombe",
        ),
    ),
    "zh": (
        ("晨光", "云杉", "琥珀", "白鹭", "青禾", "赤松", "银杏", "海棠", "石榴", "翠竹", "紫藤"),
        ("大桥", "磨坊", "酒厂", "窑厂", "书院", "渡口", "水塔"),
        ("彭集镇", "柳湾乡", "奉节城", "罗定寨", "桑河屯", "丹阳村", "沽源堡", "凤凰庄", "梅岭街"),
    ),
}
LEAKS = {
    "en": (
        "According to the text, {q}",
        "As mentioned above, {q}",
        "Based on the passage, {q}",
        "In this document, {q}",
        "According to the author, {q}",
        "As stated in the text, {q}",
        "Based on the information provided in the text, {q}",
        "According to the provided context, {q}",
        "From the passage, {q}",
        "As described in the document, {q}",
        "According to the excerpt, {q}",
        "Based on the above paragraph, {q}",
        "The text mentions this: {q}",
    ),
    "zh": (
        "根据上文，{q}",
        "根据文中内容，{q}",
        "根据本文，{q}",
        "文中提到，{q}",
        "根据上述材料，{q}",
        "根据原文，{q}",
        "按照给定的文本，{q}",
        "作者指出，{q}",
        "如上文所述，{q}",
        "材料中提到，{q}",
        "根据以下内容，{q}",
        "在这段话中，{q}",
        "依据所给资料，{q}",
    ),
}
LEAKING_ANSWERS = {
    "en": (
        "According to the text, {a}",
        "The passage states that it is {a}",
        "As mentioned above, {a}",
        "The author says {a}",
        "Based on the provided information, {a}",
        "{a} This is stated in the text.",
        "The document mentions {a}",
    ),
    "zh": (
        "根据上文，{a}",
        "文中提到是{a}",
        "根据材料，{a}",
        "原文指出，{a}",
        "如文中所述，{a}",
        "作者认为是{a}",
        "根据所提供的信息，{a}",
    ),
}
REFUSALS = {
    "en": (
        "I cannot answer that.",
        "I'm sorry, but I can't help with that.",
        "As an AI language model, I do not know.",
        "This is not mentioned.",
        "There is no information about that.",
        "It cannot be determined.",
    ),
    "zh": (
        "无法回答这个问题。",
        "很抱歉，我不知道。",
        "没有提到相关内容。",
        "作为一个人工智能，我无法作答。",
        "缺乏足够的信息。",
    ),
}


@dataclass(frozen=True)
class Said:
    """A fact, what is asked about it, and what is answered.

    Args:
        number: which fact it is.
        language: `en` or `zh`.
        sentence: the fact, as it stands in its document.
        questions: two, the second with the fault if that is one of questions.
        answers: to each.
        quotes: with each.
        fault: what is planted; empty where all is clean.
        restates: number of the fact that it states again; its own where it does not.
    """

    number: int
    language: str
    sentence: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]
    quotes: tuple[str, ...]
    fault: str
    restates: int


@dataclass(frozen=True)
class Fact:
    """A fact, before anything is planted."""

    sentence: str
    again: str
    questions: tuple[str, str, str]
    answer: str


def facts_en(name: str, kind: str, town: str, number: int, which: int) -> Fact:
    """An English fact of one of four kinds."""
    it = f"the {name} {kind} in {town}"
    year, litres, kilograms, rooms = 1700 + number, 3 * number + 40, 7 * number + 11, number + 12
    return (
        Fact(
            f"The {name} {kind} in {town} was opened in {year}.",
            f"People in {town} opened the {name} {kind} in {year}.",
            (
                f"When was {it} opened?",
                f"In what year did {town} open the {name} {kind}?",
                f"Since which year can people visit {it}?",
            ),
            f"In {year}.",
        ),
        Fact(
            f"The {name} {kind} in {town} uses {litres} litres of water a day.",
            f"Each day {litres} litres of water are used by the {name} {kind} in {town}.",
            (
                f"How many litres of water does {it} use a day?",
                f"What amount of water goes into {it} each day?",
                f"Can you tell me the daily water needs of {it}?",
            ),
            f"{litres} litres.",
        ),
        Fact(
            f"The bell of the {name} {kind} in {town} weighs {kilograms} kilograms.",
            f"Of the {name} {kind} in {town}, the bell weighs {kilograms} kilograms.",
            (
                f"How many kilograms does the bell of {it} weigh?",
                f"What is the weight of the bell that hangs in {it}?",
                f"How heavy is the bell at {it}?",
            ),
            f"{kilograms} kilograms.",
        ),
        Fact(
            f"The {name} {kind} in {town} has {rooms} rooms for visitors.",
            f"Visitors find {rooms} rooms at the {name} {kind} in {town}.",
            (
                f"How many rooms for visitors does {it} have?",
                f"What number of guest rooms is there at {it}?",
                f"How large is the count of visitor rooms at {it}?",
            ),
            f"{rooms} rooms.",
        ),
    )[which]


def facts_zh(name: str, kind: str, town: str, number: int, which: int) -> Fact:
    """A Chinese fact of one of four kinds."""
    it = f"{town}的{name}{kind}"
    year, litres, kilograms, rooms = 1700 + number, 3 * number + 40, 7 * number + 11, number + 12
    return (
        Fact(
            f"{it}于 {year} 年正式开放使用。",
            f"{year} 年，{it}正式开放使用。",
            (f"{it}是在哪一年正式开放的？", f"人们从什么时候起可以使用{it}？", f"请问{it}的开放年份是多少？"),
            f"{year} 年。",
        ),
        Fact(
            f"{it}每天要用 {litres} 升清水。",
            f"每天有 {litres} 升清水用于{it}。",
            (
                f"{it}每天要用多少升清水？",
                f"请问一天之内{it}的用水量是多少？",
                f"维持{it}运转一日需要多少水？",
            ),
            f"{litres} 升。",
        ),
        Fact(
            f"{it}的铜钟重达 {kilograms} 公斤。",
            f"重达 {kilograms} 公斤的铜钟挂在{it}。",
            (
                f"{it}的铜钟有多少公斤重？",
                f"请问挂在{it}的铜钟重量是多少？",
                f"要称一称{it}的那口铜钟，结果是几公斤？",
            ),
            f"{kilograms} 公斤。",
        ),
        Fact(
            f"{it}设有 {rooms} 间客房供游人住宿。",
            f"供游人住宿的 {rooms} 间客房设在{it}。",
            (
                f"{it}设有多少间客房？",
                f"游人在{it}能找到几间可住宿的房间？",
                f"请问{it}可供住宿的客房数量是多少？",
            ),
            f"{rooms} 间。",
        ),
    )[which]


VAGUE = {
    "en": ("How much does it use each day?", "When was this place opened?", "How heavy are these things?"),
    "zh": ("该建筑有多大？", "它每天要用多少水？", "此地是何时开放的？"),
}


def corpus(language: str, facts: int, faults: Iterable[str] = tuple(FAULTS)) -> list[Said]:
    """So many facts, every second of them with a fault, the faults in turn."""
    names = list(product(*NAMES[language]))
    # Neighbours share as little as can be.
    names = [names[(index * 101) % len(names)] for index in range(facts)]
    make = facts_en if language == "en" else facts_zh
    made = [make(*one, number, number % 4) for number, one in enumerate(names)]
    turns = list(islice(cycle(faults), facts))
    return [
        planted(
            number, language, made[number - 1] if turns[number // 2] in RESTATED else fact, turns[number // 2]
        )
        if number % 2
        else planted(number, language, fact, "")
        for number, fact in enumerate(made)
    ]


def planted(number: int, language: str, fact: Fact, fault: str) -> Said:
    """A fact with a fault in its second question or the answer to it; with one of copies, the fact before it."""
    first, second, third = fact.questions
    restated = fault in RESTATED
    sentence = fact.again if restated else fact.sentence
    questions = (third if restated else first, flawed_question(fault, language, first, number) or second)
    return Said(
        number,
        language,
        sentence,
        questions[:1] if fault == "wrong_count" else questions,
        (fact.answer, flawed_answer(fault, language, fact.answer, number)),
        (sentence, flawed_quote(language, number) if fault == "invented_quote" else sentence),
        fault,
        number - 1 if restated else number,
    )


def flawed_question(fault: str, language: str, first: str, number: int) -> str:
    """A question with a fault; empty for other faults."""
    english = language == "en"
    inside = first[0].lower() + first[1:] if english else first
    foreign = (
        f"这座建筑的第{number}号数据是多少？" if english else f"What is the number of building {number}?"
    )
    return {
        "leak_question": pick(LEAKS[language], number).format(q=inside),
        "duplicate": f"{first[:-1]} {first[-1]}",
        "near_copy": f"Please, {inside}" if english else f"请问{first}",
        "wrong_language_question": foreign,
        "not_self_contained": pick(VAGUE[language], number),
        "unanswerable": f"Who paid for it all, {inside}" if english else f"由谁出资，{first}",
    }.get(fault, "")


def flawed_answer(fault: str, language: str, answer: str, number: int) -> str:
    """An answer with a fault; the answer for other faults."""
    english = language == "en"
    return {
        "ungrounded": f"{90_000 + number}." if english else f"{90_000 + number} 个。",
        "leak_answer": pick(LEAKING_ANSWERS[language], number).format(a=answer),
        "refusal": pick(REFUSALS[language], number),
        "empty_answer": " ",
        "wrong_language_answer": "这是我用另一种语言写的答案。"
        if english
        else "This answer is in another language.",
        "repetitive_answer": "so it is " * 20 if english else "就是这样" * 20,
        "long_answer": long_text(language),
        "unfaithful": f"{answer} All neighbours are proud of it."
        if english
        else f"{answer}邻居们都引以为傲。",
        "poor": "quite a lot" if english else "相当可观",
    }.get(fault, answer)


def flawed_quote(language: str, number: int) -> str:
    """A quote that stands nowhere."""
    return f"Nobody ever wrote sentence {number}." if language == "en" else f"谁也没有写过第 {number} 句话。"


def long_text(language: str) -> str:
    """A text of more than a thousand characters that does not repeat itself much."""
    if language == "en":
        return " ".join(f"{chr(97 + one % 26)}{chr(97 + one // 26)}word" for one in range(200))
    return "".join(chr(0x4E00 + 7 * one) for one in range(1100))


def pick(texts: Sequence[str], number: int) -> str:
    """One of some texts, each in turn among facts with the same fault."""
    return texts[number // (2 * len(FAULTS)) % len(texts)]


def documents(said: Sequence[Said]) -> dict[str, bytes]:
    """The corpus as documents, each fact under a heading of its own; what is stated again is in a second one."""
    files = {"first.md": "", "again.md": ""}
    for one in said:
        files["again.md" if one.fault in RESTATED else "first.md"] += f"# {one.number}\n\n{one.sentence}\n\n"
    return {name: text.encode() for name, text in files.items() if text}
