"""Questions that differ in a number or a name are no copies, and those that lack one, or have it garbled, are."""

from __future__ import annotations

import pytest

from services.dataset.benchmarks.leaks import LeakGuard, compared
from services.dataset.copies.differing import are_different, named_in

ASKED = "How many litres of water does the spare pump of Kiel, which has 12 valves, move in 340 minutes?"


def different(one: str, other: str) -> bool:
    return are_different(named_in(one, compared(one)), named_in(other, compared(other)))


@pytest.mark.parametrize(
    "other",
    [
        ASKED.replace("12", "14"),
        ASKED.replace("Kiel", "Lagos"),
        ASKED.replace("340", "three hundred and fifty"),
        ASKED.replace("12", "120"),
    ],
)
def test_other_numbers_and_names_make_other_questions(other: str) -> None:
    assert different(ASKED, other)
    assert different(other, ASKED)


@pytest.mark.parametrize(
    "other",
    [
        ASKED,
        ASKED.upper(),
        ASKED.title(),
        ASKED.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
        ASKED.replace("340", "three hundred and forty").replace("12", "twelve"),
        ASKED.replace("12 valves", "valves"),
        ASKED.replace("Kiel", "whatever"),
        ASKED[: ASKED.index("40 minutes")],
        ASKED[: ASKED.index("el, which")],
        f"Yesterday in Berlin somebody asked me 7 times: {ASKED}",
        ASKED.replace("340", "3 whatever"),
    ],
)
def test_what_was_cut_or_garbled_or_written_otherwise_is_the_same_question(other: str) -> None:
    assert not different(ASKED, other)
    assert not different(other, ASKED)


def test_chinese_questions_differ_in_numbers() -> None:
    asked = "青禾科技1987年在上海的净利润是多少万元？"
    assert different(asked, asked.replace("1987", "1988"))
    assert not different(asked, asked.replace("1987", "一九八七"))
    assert not different(asked, asked.replace("87", "某物"))


def test_of_forty_questions_of_a_template_one_leaks() -> None:
    texts = [
        ASKED.replace("12", str(12 + number)).replace("340", str(340 + 7 * number)) for number in range(40)
    ]
    found = LeakGuard([texts[17]], words=100).find(texts, texts)
    assert [leak.row for leak in found] == [17]


def test_among_many_questions_of_a_template_the_right_one_is_found() -> None:
    items = [f"For Kesto, {year}: the net profit in million euros?" for year in range(1000, 3000)]
    texts = [item.replace("the", "a") for item in items[::40]]
    texts += [item.replace("Kesto", "Vaara") for item in items[::40]]
    found = LeakGuard(items, words=100).find(texts, texts)
    assert [(leak.row, leak.item) for leak in found] == [(row, 40 * row) for row in range(50)]
