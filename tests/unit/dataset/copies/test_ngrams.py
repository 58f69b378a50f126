from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dataset.copies.ngrams import SHORTEST, Shared, shared_ngrams, words_of
from tests.unit.dataset.copies.planted import planted

WORDS = ["a", "b", "c", "净", "利", "D", "e-f"]
texts = st.lists(st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join), max_size=6)


def by_comparing_all(kept: list[str], others: list[str], n: int) -> list[Shared]:
    wanted: dict[str, int] = {}
    for at, text in enumerate(kept):
        words = words_of(text)
        length = n if len(words) >= n else max(len(words), SHORTEST)
        for start in range(len(words) - length + 1):
            wanted.setdefault(" ".join(words[start : start + length]), at)
    found = []
    for at, text in enumerate(others):
        words = words_of(text)
        runs = (
            " ".join(words[start : start + length])
            for start in range(len(words))
            for length in range(n, 0, -1)
            if start + length <= len(words)
        )
        first = next((run for run in runs if run in wanted), None)
        if first is not None:
            found.append(Shared(at, wanted[first], first))
    return found


@settings(max_examples=150, deadline=None)
@given(texts, texts, st.sampled_from([2, 8, 9, 13]))
def test_shared_runs_are_those_that_comparing_all_finds(kept: list[str], others: list[str], n: int) -> None:
    assert list(shared_ngrams(kept, others, n)) == by_comparing_all(kept, others, n)


def test_letters_of_chinese_are_words_and_signs_are_none() -> None:
    assert words_of("Net-profit 2023：净利润为１２亿元。It's “OK”_x") == [
        *["net", "profit", "2023", "净", "利", "润", "为", "12", "亿", "元", "it", "s", "ok", "x"]
    ]


def test_a_benchmark_in_a_text_is_found_whatever_its_case_and_signs() -> None:
    asked = "Which of the following treaties ended the war that began in the year of the great fire?"
    others = ["Nothing.", f"Q: {asked.upper().replace(' ', ', ')}", asked[:40], "净利润"]
    words = "which of the following treaties ended the war that began in the year"
    assert list(shared_ngrams(["Other words", asked], others)) == [Shared(1, 1, words)]
    chinese = "根据下列材料回答公司去年的净利润是多少"
    assert [one.other for one in shared_ngrams([chinese], ["请看：" + chinese[2:] + "？", chinese[9:]])] == [
        0
    ]
    short = "what is the net profit of this company"
    assert list(shared_ngrams([short], ["Say: " + short, "the net profit"])) == [Shared(0, 0, short)]
    assert list(shared_ngrams([short[:-8]], [short])) == []
    assert list(shared_ngrams([], [short])) == list(shared_ngrams([short], [])) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_planted_runs_are_caught_across_batches_and_nothing_else(language: str) -> None:
    kept, others, _ = planted(language, 10_000, 0)
    draw = random.Random(2)  # noqa: S311  # no secret
    glue = "" if language == "zh" else " "
    planted_at = sorted(draw.sample(range(len(others)), 500))
    for at in planted_at:
        words = words_of(draw.choice(kept))
        others[at] += glue + glue.join(words[1:14])
    assert [one.other for one in shared_ngrams(iter(kept), iter(others))] == planted_at


def test_runs_of_no_words_are_refused() -> None:
    with pytest.raises(ValueError, match="one word at least"):
        list(shared_ngrams(["a"], ["a"], 0))
