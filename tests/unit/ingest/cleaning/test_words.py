from __future__ import annotations

import pytest

from services.ingest.cleaning import clean, moved
from services.ingest.readers.reading import Reading
from tests.unit.ingest.cleaning.texts import cleaned


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        # The joined word stands elsewhere.
        ("The infor-\nmation. Information is all.", "The information. Information is all."),
        # The parts are no words.
        ("He was in-\nsured.", "He was insured."),
        ("Die Versi-\ncherung zahlt.", "Die Versicherung zahlt."),
        ("une déci-\nsion", "une décision"),
        # A compound that stands elsewhere, or is known to be one.
        ("A data-\nflow. The data-flow is here.", "A data-flow. The data-flow is here."),
        ("A well-\nknown man.", "A well-known man."),
        ("The self-\nemployed.", "The self-employed."),
        ("The Franco-\nPrussian war.", "The Franco-Prussian war."),
        (
            "A state-of-\nthe-art mill. The state-of-the-art mill.",
            "A state-of-the-art mill. The state-of-the-art mill.",
        ),
        ("A decision of the decision-\nmaking board.", "A decision of the decision-making board."),
        # Both parts are words, and nothing says what is meant.
        ("The data-\nbase. The data is the base.", "The data-\nbase. The data is the base."),
        # The hyphen stands for a word.
        ("The pre-\nand post-war years.", "The pre-\nand post-war years."),
        ("Haupt-\nund Nebensatz", "Haupt-\nund Nebensatz"),
        # No word is broken.
        ("The years 2020-\n2021 were hard.", "The years 2020-\n2021 were hard."),
        ("See https://a.example/some-\nthing here.", "See https://a.example/some-\nthing here."),
        ("- a\n- b", "- a\n- b"),
        ("a -\nb", "a -\nb"),
        ("exam-\n\nple", "exam-\n\nple"),
        # A soft hyphen is no other sign.
        ("The data\u00ad\nbase of the data.", "The database of the data."),
        # Code, tables and formulas.
        ("```\nexam-\nple\n```", "```\nexam-\nple\n```"),
        ("~~~\nexam-\nple", "~~~\nexam-\nple"),
        ("$$\nexam-\nple\n$$", "$$\nexam-\nple\n$$"),
        ("\\[\nexam-\nple\n\\]", "\\[\nexam-\nple\n\\]"),
        ("| exam-\nple |", "| exam-\nple |"),
        ("a | exam-\n---|---\nple | b", "a | exam-\n---|---\nple | b"),
    ],
)
def test_broken_words_are_joined_where_the_text_says_so(text: str, wanted: str) -> None:
    assert cleaned(text, "hyphenation") == wanted


def test_a_word_broken_by_a_page_is_joined_and_the_page_starts_inside_it() -> None:
    text = "A long exam-\n\nple of words."
    changes = clean(text, [0, 14], ["hyphenation"], "markdown")
    after = moved(Reading(text, (0, 14)), changes)
    assert after.text == "A long example of words."
    assert after.text[after.page_starts[1] :] == "ple of words."
