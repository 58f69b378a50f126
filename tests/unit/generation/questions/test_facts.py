from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.generation.questions.facts import Fact, around, choose, language_of, sentences
from services.generation.questions.quotes import find_quote, one_line, overlap
from services.generation.questions.writing import passage
from tests.support.chunks import chunk_of

PIECES = st.one_of(
    st.sampled_from(
        [
            "The motor of the Kestrel runs for nine hours. ",
            "It weighs 4.5 kg! “Is that much?” she asked. ",
            "北辰公司成立于2015年。总部设在苏州。",
            "\n\n# A heading that is long enough\n\n",
            "\n- an item of a list that says enough\n",
            "\n12. another item that says enough.\n",
            "\n| a cell | another cell of a table |\n",
            "\n-----\n",
            "  \t ",
            "e.g. this is no end of a sentence ",
        ]
    ),
    st.text(max_size=60),
)
TEXTS = st.lists(PIECES, max_size=20).map("".join)


@given(TEXTS)
def test_a_fact_stands_where_it_says(text: str) -> None:
    found = sentences(text)
    assert all(text[fact.start : fact.end] == fact.text for fact in found)
    assert all(fact.text == fact.text.strip() for fact in found)
    assert all(left.end <= right.start for left, right in pairwise(found))


@given(TEXTS)
def test_every_fact_is_found_again_as_it_is_shown_to_a_model(text: str) -> None:
    for fact in sentences(text):
        quote = find_quote(text, one_line(fact.text))
        assert quote is not None
        assert text[quote.start : quote.end] == quote.text
        assert one_line(quote.text) == one_line(fact.text)


@given(TEXTS, st.integers(0, 400), st.integers(1, 500))
def test_a_window_holds_its_facts_and_no_half_sentence(text: str, chars: int, per_fact: int) -> None:
    found = sentences(text)
    for fact in choose(found, len(text), per_fact):
        start, end = around(text, [fact], chars)
        assert start <= fact.start
        assert fact.end <= end
        cut = [one for one in found if one.start < start < one.end or one.start < end < one.end]
        assert cut == []
        assert fact in passage(chunk_of(text), [fact], chars).sentences


@given(TEXTS, st.integers(1, 2000))
def test_facts_are_chosen_once_each_and_in_order(text: str, per_fact: int) -> None:
    found = sentences(text)
    chosen = choose(found, len(text), per_fact)
    assert chosen == sorted(set(chosen), key=lambda fact: fact.start)
    assert bool(chosen) == bool(found)


def texts(text: str) -> list[str]:
    return [fact.text for fact in sentences(text)]


def test_headings_tables_rules_and_fragments_are_no_facts() -> None:
    text = "# The Kestrel 400 handbook\n\n| part | years of warranty |\n|---|---|\n\n---\n\nShort one.\n\n12345 67890 12345 6789\n"
    assert texts(text) == []


def test_of_a_table_each_row_that_says_something_is_a_fact() -> None:
    head, rule, row = "| clock | price |", "|---|---|", "| Brisk A0 | 10 |"
    assert texts(f"# Price list\n\n{head}\n{rule}\n{row}\n| Brisk B0 | |\n| 12 | 13 |\n") == [row]
    assert texts(f"{row}\n| Brisk B0 | 11 |") == [row, "| Brisk B0 | 11 |"]
    sentence = "This list of prices holds for the year 2026 in Sweden."
    assert texts(f"{sentence}\n\n{head}\n{rule}\n{row}\n") == [sentence]
    assert len(texts(f"{sentence}\n\n{head}\n{rule}\n" + f"{row}\n" * 20)) == 21


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Brisk clock: 12 EUR", 1),
        ("快捷钟：十二欧元", 1),
        ("- Shop 1: 9–12 h\n- Shop 2: 9–13 h\n", 2),
        ("Contents\n1. Introduction\n2. Duties of board\n", 0),
        ("def total(items, tax):\n    return sum(one.price for one in items)\n", 2),
        ("北原站记录温度并且发送数据" * 100, 5),
        ("word " * 300, 5),
        ("See https://example.com/a/page\n", 1),
        ("# Only a heading\n", 0),
    ],
)
def test_a_text_without_sentences_has_its_facts_in_its_lines(text: str, count: int) -> None:
    assert len(texts(text)) == count


def test_where_sentences_are_enough_rows_and_lines_are_none() -> None:
    row = "| Brisk A0 | 10 |\n- Shop 1: 9–12 h\n"
    assert texts("The motor runs for nine hours. It weighs 4.5 kg in all.\n" + row) == [
        "The motor runs for nine hours.",
        "It weighs 4.5 kg in all.",
    ]


def test_list_marks_are_no_part_of_a_fact() -> None:
    assert texts("- Keep the receipt for four years.\n2. Send the motor to Kiel, please.\n") == [
        "Keep the receipt for four years.",
        "Send the motor to Kiel, please.",
    ]


def test_sentences_end_at_their_signs_in_both_languages() -> None:
    assert texts("The motor weighs 4.5 kg in all. It runs for nine hours!") == [
        "The motor weighs 4.5 kg in all.",
        "It runs for nine hours!",
    ]
    assert texts("北辰公司成立于2015年。总部设在苏州工业园区！") == [
        "北辰公司成立于2015年。",
        "总部设在苏州工业园区！",
    ]


def test_facts_are_spread_evenly_over_a_text() -> None:
    found = [Fact(place, place + 1, "x") for place in range(10)]
    assert [fact.start for fact in choose(found, 1000, 250)] == [0, 2, 5, 7]
    assert len(choose(found, 10, 250)) == 1
    assert len(choose(found, 100_000, 1)) == 10


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The motor runs.", "en"),
        ("电机运行九小时。", "zh"),
        ("Kestrel 400 电机运行九小时", "zh"),
        ("", "en"),
        ("123", "en"),
    ],
)
def test_the_language_is_that_of_the_letters(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "quote", "found"),
    [
        ("It runs\n  nine hours.", "It runs nine hours.", (0, 21)),
        ("a (b) [c] .*", "(b) [c] .*", (2, 12)),
        ("a b", "", None),
        ("a b", " \n", None),
        ("a b", "b a", None),
        ("ab", "a b", None),
    ],
)
def test_a_quote_is_found_white_space_aside(text: str, quote: str, found: tuple[int, int] | None) -> None:
    piece = find_quote(text, quote)
    assert (piece and (piece.start, piece.end)) == found


def test_pieces_that_only_touch_do_not_overlap() -> None:
    assert overlap(Fact(0, 5, ""), Fact(4, 8, ""))
    assert not overlap(Fact(0, 5, ""), Fact(5, 8, ""))
