from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.generation.calls.output import OutputInvalid
from services.generation.candidates.candidates import ExamItem, NewCandidate
from services.generation.candidates.exam_items import Written, assignment, item_of, plans
from services.generation.generations.generations import Generation, GenerationOptions
from services.generation.generations.kinds import EXAM_ITEM_TYPES, ExamItemOptions
from services.generation.writers.candidates import planned
from services.runtime.jobs import NewItem
from tests.support.chunks import HONGSUN, KESTREL, chunk_of

EACH = GenerationOptions(chars_per_fact=1)
QUOTE = "The Kestrel 400 runs for 9 hours on one battery."
QUESTION = "How long does the Kestrel 400 run on one battery?"
CHOICES: dict[str, Any] = {
    "quote": QUOTE,
    "question": QUESTION,
    "right": "9 hours",
    "wrong": ["4 hours", "6 hours", "12 hours"],
}
SEVERAL: dict[str, Any] = CHOICES | {"right": ["9 hours", "540 minutes"]}
ANSWERED: dict[str, Any] = {"quote": QUOTE, "question": QUESTION, "answer": "9 hours"}


def made(kind: str, answer: dict[str, Any], is_true: bool = True, text: str = KESTREL) -> NewCandidate:
    chunk = chunk_of(text)
    planned = plans(chunk, replace(EACH, exam_items=ExamItemOptions([kind])), 0)[0]
    payload = {**planned, "is_true": is_true}
    work = assignment(chunk, payload, EACH)
    return work.made(work.parse(answer))


def said(statement: str, quote: str = QUOTE) -> dict[str, str]:
    return {"quote": quote, "statement": statement}


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("true_false", said("On one battery the Kestrel 400 runs for 9 hours."), ""),
        ("true_false", said("The Kestrel 400 runs for 8 hours."), "NUMBER_NOT_IN_SOURCE"),
        ("true_false", said("The Kestrel was built by Siemens."), "NAME_NOT_IN_SOURCE"),
        ("true_false", said("Does the Kestrel run for 9 hours?"), "NOT_A_STATEMENT"),
        ("true_false", said("The text says 9 hours."), "LEAK_PHRASE"),
        ("true_false", said("红隼可以飞行九个小时，时间很长。"), "LANGUAGE"),
        ("true_false", said(""), "QUESTION_LENGTH"),
        ("true_false", said("The Kestrel runs for 9 hours.", "It runs."), "QUOTE_NOT_FOUND"),
        (
            "true_false",
            said("It is charged in 2 hours.", "Its battery weighs 4.5 kg and is charged in 2 hours."),
            "QUOTE_OFF_FACT",
        ),
        ("single_choice", CHOICES, ""),
        ("single_choice", CHOICES | {"wrong": ["9 Hours.", "6 hours", "12 hours"]}, "REPEATED"),
        (
            "single_choice",
            CHOICES | {"wrong": ["6 hours", "2 hours", "All of the above"]},
            "CHOICE_OF_CHOICES",
        ),
        ("single_choice", CHOICES | {"wrong": ["", "2 hours", "3 hours"]}, "CHOICE_LENGTH"),
        ("single_choice", CHOICES | {"right": "10 hours"}, "NUMBER_NOT_IN_SOURCE"),
        ("single_choice", CHOICES | {"right": "As long as Siemens says"}, "NAME_NOT_IN_SOURCE"),
        ("single_choice", CHOICES | {"right": "rather short, sadly"}, "ANSWER_NOT_IN_SOURCE"),
        ("single_choice", CHOICES | {"question": "How does it run"}, "NOT_A_QUESTION"),
        ("multiple_choice", SEVERAL, "NUMBER_NOT_IN_SOURCE"),
        ("multiple_choice", SEVERAL | {"right": ["9 hours", "Nine hours"]}, ""),
        ("short_answer", ANSWERED, ""),
        ("short_answer", ANSWERED | {"answer": "2 hours"}, "ANSWER_NOT_IN_QUOTE"),
        ("short_answer", ANSWERED | {"answer": "Quite a while, surely"}, "ANSWER_NOT_IN_QUOTE"),
        ("short_answer", ANSWERED | {"answer": QUOTE + " " + QUOTE[:30]}, "ANSWER_LENGTH"),
        ("open_ended", ANSWERED | {"answer": "It keeps running for 9 hours."}, ""),
        ("open_ended", ANSWERED | {"answer": "I don't know."}, "REFUSAL"),
        ("open_ended", ANSWERED | {"answer": "x" * 1001}, "ANSWER_LENGTH"),
    ],
)
def test_an_item_is_kept_or_says_why_not(kind: str, answer: dict[str, Any], reason: str) -> None:
    failure = made(kind, answer).rejection
    assert (failure.reason if failure else "") == reason


def test_a_false_statement_may_not_stand_in_the_source() -> None:
    assert made("true_false", said("The Kestrel 400 runs for 19 hours."), is_true=False).rejection is None
    failure = made("true_false", said("The Kestrel 400 runs for 9 hours"), is_true=False).rejection
    assert failure is not None
    assert failure.reason == "NOT_FALSE"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("四千克半", ""), ("九千克", "ANSWER_NOT_IN_QUOTE")],
)
def test_a_short_answer_in_chinese_is_in_the_characters_of_its_quote(answer: str, reason: str) -> None:
    quote = "红隼的电池重量为四千克半。"
    text = HONGSUN.replace("北辰公司成立于2015年，总部设在上海。", "")
    failure = made(
        "short_answer", {"quote": quote, "question": "红隼的电池有多重？", "answer": answer}, text=text
    ).rejection
    assert (failure.reason if failure else "") == reason


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("single_choice", CHOICES | {"wrong": ["4 hours", "6 hours"]}),
        ("single_choice", CHOICES | {"right": ["9 hours"]}),
        ("multiple_choice", SEVERAL | {"right": []}),
        ("multiple_choice", SEVERAL | {"wrong": ["1", "2", "3", "4", "5"]}),
        ("open_ended", {"quote": QUOTE}),
        ("true_false", []),
    ],
)
def test_another_number_of_choices_is_asked_for_again(kind: str, answer: Any) -> None:
    with pytest.raises(OutputInvalid):
        made(kind, answer)


def test_types_and_truth_come_in_turn_over_all_chunks() -> None:
    text = " ".join(f"The part number {number} weighs {number} grams." for number in range(7))
    found = [one for first in (0, 7, 14) for one in plans(chunk_of(text), EACH, first)]
    assert [one["type"] for one in found] == [EXAM_ITEM_TYPES[number % 5] for number in range(21)]
    truths = [one["is_true"] for one in found if one["type"] == "true_false"]
    assert truths == [True, False, True, False, True]
    twice = replace(EACH, exam_items=ExamItemOptions(["true_false", "open_ended", "true_false"]))
    truths = [one["is_true"] for one in plans(chunk_of(text), twice, 0) if one["type"] == "true_false"]
    assert truths == [True, False, True, False, True]


def test_the_turn_goes_on_from_page_to_page_and_a_chunk_without_a_fact_is_a_skipped_item() -> None:
    generation = Generation("g", "p", "v", replace(EACH, kind="exam_items"), datetime.now(UTC))
    count, items = 0, list[NewItem]()
    for page in ([chunk_of(KESTREL)], [chunk_of("# Contents"), chunk_of(HONGSUN)]):
        more, count = planned(page, generation, count)
        items += more
    assert [one.kind for one in items] == ["write_exam_item"] * 4 + ["skip_chunk"] + ["write_exam_item"] * 3
    types = [one.payload["type"] for one in items if one.payload]
    assert types == [EXAM_ITEM_TYPES[number % 5] for number in range(7)]


def test_the_right_choice_is_at_each_place_about_as_often_and_the_same_each_time() -> None:
    written = Written("q", "t", ["r"], ["a", "b", "c"])
    items = [item_of("single_choice", written, False, str(seed)) for seed in range(400)]
    assert items == [item_of("single_choice", written, False, str(seed)) for seed in range(400)]
    places = Counter(item.correct[0] for item in items)
    assert set(places) == {0, 1, 2, 3}
    assert min(places.values()) > 70
    assert all(sorted(item.choices) == ["a", "b", "c", "r"] for item in items)
    assert all([item.choices[place] for place in item.correct] == ["r"] for item in items)


def test_a_statement_says_whether_it_is_true_and_an_answer_stands_beside_its_question() -> None:
    content = made("true_false", said("The Kestrel 400 runs for 19 hours."), is_true=False).content
    assert content == ExamItem("true_false", "The Kestrel 400 runs for 19 hours.", [], [], False)
    content = made("short_answer", ANSWERED).content
    assert content == ExamItem("short_answer", QUESTION, [], [], False, "9 hours")
