"""The leak guard catches what was planted, and hardly anything else."""

from __future__ import annotations

import pytest

from services.dataset.benchmarks.leaks import Leak, LeakGuard
from services.dataset.copies.instructions import Instructions
from tests.unit.dataset.benchmarks.leak_texts import leak_texts

ASKED = (
    "Why did the spare turbine of Kiel, which cools 40 joint sensors, fail while the audit delays the budget?"
)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_leaks_are_caught_and_hardly_anything_else(language: str) -> None:
    made = leak_texts(language, 2000, 8000, 1000)
    found = {one.row: one for one in LeakGuard(made.items).find(made.texts, made.texts)}
    caught = made.planted.keys() & found.keys()
    assert len(caught) >= 0.99 * len(made.planted)
    assert len(found.keys() - made.planted.keys()) <= 0.01 * (len(made.texts) - len(made.planted))
    right = sum(found[row].item == made.planted[row] for row in caught)
    assert right >= 0.99 * len(caught)


def test_a_leak_says_what_it_shares_with_which_question() -> None:
    guard = LeakGuard(["Who was the first to see the heron at the lake?", ASKED, "净利润是多少"])
    answer = "It is like this: " + ASKED.lower() + " Nobody knows."
    found = guard.find(
        ["Other things?", "Tell me.", ASKED + "!", "净利润是多少？"], ["Other things?", answer, ASKED, ""]
    )
    assert [(one.row, one.item) for one in found] == [(1, 1), (2, 1), (3, 2)]
    words = "why did the spare turbine of kiel which cools 40 joint sensors fail"
    assert found[0] == Leak(1, 1, words, 0.0)
    assert (found[1].shared, found[1].similarity > 0.95) == (words, True)
    assert (found[2].shared, 0.7 <= found[2].similarity < 1) == ("", True)


def test_of_near_questions_the_nearest_is_named_and_nothing_is_no_question() -> None:
    guard = LeakGuard([ASKED + " Say why in a few words.", ASKED, ASKED])
    (found,) = guard.find([ASKED], [""])
    assert (found.item, found.similarity) == (1, 1.0)
    assert LeakGuard([]).find([ASKED], [ASKED]) == []
    assert guard.find([], []) == []


def test_an_instruction_that_many_questions_have_is_left_aside() -> None:
    instruction = "One two three four, five six seven; eight NINE ten!"
    items = [f"{instruction} {number} items?" for number in range(100)]
    known = Instructions(items)
    assert known.without([items[7], "请 " + items[8], instruction, "one two"]) == [
        "! 7 items?",
        "请 ! 8 items?",
        instruction,
        "one two",
    ]
    assert Instructions(items[:5]).without(items) == items
    assert Instructions([]).without(["a"]) == ["a"]
