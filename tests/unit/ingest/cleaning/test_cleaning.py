from __future__ import annotations

import time
from dataclasses import replace

import pytest

from services.ingest.cleaning import Change, apply, clean, moved
from services.ingest.cleaning.changes import Places
from services.ingest.readers.reading import Image, Reading
from services.runtime.errors import InvalidArgument
from tests.unit.ingest.cleaning.diffs import diff
from tests.unit.ingest.cleaning.texts import ALL, ENGLISH_BODIES, PLAN, pages_of


def test_source_code_is_not_cleaned() -> None:
    assert clean("a = 1   \n\n\n\n\nb = 2\n", (), ALL, "python") == []


def test_a_text_that_would_be_empty_stays() -> None:
    text = "Home\n\nMenu\n\nSearch\n"
    assert clean(text, (), ALL, "markdown") == []
    assert clean("1\n\n2\n\n3\n\n", (0, 3, 6), ALL, "markdown") == []
    assert clean("", (), ALL, "markdown") == []


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(InvalidArgument, match="'spelling' is no cleaning rule; use some of page_numbers"):
        clean("a", (), ["spelling"], "markdown")


def test_a_page_without_any_other_line_stays_as_an_empty_page() -> None:
    bodies = ["One stone was here.", "", "Two were there.", "Three came late.", "Four are gone."]
    reading = pages_of(bodies, "The Mill", "{}")
    after = moved(reading, clean(reading.text, reading.page_starts, ALL, "markdown"))
    assert after.text.split() == " ".join(bodies).split()
    assert len(after.page_starts) == 5
    assert after.page_at(after.text.index("Two")) == 3


def test_rows_and_pictures_that_are_removed_go_and_others_move() -> None:
    text = f"Menu\n\nabc\n\n| a |\n|---|\n| 1 |\n| 2 |\n\n{PLAN} end"
    plan = Image(PLAN[-25:-1], "image/png", 0, "", text.index("!["), text.index(" end"))
    reading = Reading(text, (0, 6), (text.index("| 1"), text.index("| 2")), images=(plan,))
    changes = [
        Change(0, 6, "", "r"),
        Change(text.index("| 1"), text.index("| 2"), "", "r"),
        Change(plan.char_start, plan.char_start, "The ", "r"),
    ]
    after = moved(reading, changes)
    assert after.page_starts == (0, 0)
    assert after.row_starts == (after.text.index("| 2"),)
    assert after.text[after.images[0].char_start : after.images[0].char_end] == PLAN
    broken = moved(reading, [Change(plan.char_start + 2, plan.char_start + 3, "", "r")])
    assert broken.images == ()
    assert (
        replace(after, text=text, page_starts=(0, 6), row_starts=reading.row_starts, images=(plan,))
        == reading
    )


def test_places_are_found_before_and_behind_changes() -> None:
    places = Places([Change(2, 4, "xyz", "r"), Change(6, 6, "in", "r")])
    assert [places.of(offset) for offset in range(9)] == [0, 1, 2, 5, 5, 6, 7, 10, 11]
    assert places.are_kept(4, 6)
    assert not places.are_kept(3, 5)
    assert not places.are_kept(5, 7)


def test_a_diff_has_what_a_person_needs_to_see() -> None:
    text = "The infor-\nmation is here."
    [hunk] = diff(text, clean(text, (), ALL, "markdown"), context=4)
    assert (hunk.before, hunk.removed, hunk.added, hunk.after) == ("nfor", "-\n", "", "mati")
    assert hunk.rule == "hyphenation"


def test_the_time_of_cleaning_grows_with_the_text_only() -> None:
    def seconds(copies: int) -> float:
        reading = pages_of(ENGLISH_BODIES * copies, "ACME | {}", "Page {}")
        started = time.perf_counter()
        changes = clean(reading.text, reading.page_starts, ALL, "markdown")
        took = time.perf_counter() - started
        assert len(changes) > 20 * copies
        assert apply(reading.text, changes).count("| North | 12 |") == copies
        return took

    seconds(2)
    assert min(seconds(80) for _ in range(3)) < 24 * min(seconds(10) for _ in range(3))
