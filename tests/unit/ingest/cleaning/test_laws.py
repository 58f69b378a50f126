from __future__ import annotations

import hashlib
import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.cleaning import RULES, Change, apply, clean, moved
from services.ingest.cleaning.changes import joined
from services.ingest.readers.reading import Image, Reading
from tests.unit.ingest.cleaning.diffs import diff

ALL = tuple(RULES)
NAME = "0123456789abcdef.png"
REFERENCE = f"![a\u200bscheme](images/{NAME})"
LINES = st.sampled_from(
    [
        "",
        " ",
        "\u3000",
        "ACME Corp. Annual Report 2023",
        "ACME Corp. | 7",
        "Page 3 of 9",
        "第 4 页 共 9 页",
        "12",
        "13",
        "- 14 -",
        "iv",
        "# 第一章 总则",
        "# Introduction",
        "Introduction .......... 5",
        "Revenue ........ 1,234",
        "The infor-",
        "mation was never well-",
        "known to self-",
        "employed informa\u00ad",
        "tion. pre- and post-",
        "war information",
        "This line of the paragraph is just as wide as the page is, and so",
        "the sentence goes on and on until at last the width is reached by",
        "some word.",
        "Home",
        "Menu",
        "Search",
        "© 2023 ACME",
        "This page intentionally left blank",
        "打印本页",
        "退货须在三十日内提出，逾期不予受理，",
        "货款在七个工作日内退还。",
        "zero\u200bwidth \u200d joiner  ",
        "می\u200cخواهم",
        "| a | b-",
        "|---|---|",
        "a | b",
        "```",
        "~~~python",
        "    indented code-  ",
        "$$",
        "x^2-",
        REFERENCE,
        f"ACME {REFERENCE}",
        "- list item",
        "> quotation",
    ]
)
TEXTS = st.one_of(
    st.lists(LINES, max_size=40).map("\n".join),
    st.text(alphabet="ab-\n \u00ad\u200b12.P一。|`$#", max_size=120),
)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    pages = draw(st.lists(TEXTS, min_size=1, max_size=8))
    gap = draw(st.sampled_from(["\n\n", "\n", ""]))
    text = gap.join(pages) + draw(st.sampled_from(["", "\n"]))
    starts, at = [], 0
    for page in pages:
        starts.append(min(at, len(text)))
        at += len(page) + len(gap)
    has_pages = draw(st.booleans())
    syntax = draw(st.sampled_from(["markdown", "markdown", "plain", "python"]))
    return Reading(text, tuple(starts) if has_pages else (), row_starts_of(text), syntax, images_of(text))


def row_starts_of(text: str) -> tuple[int, ...]:
    return tuple(place for place in range(len(text)) if text.startswith("| a", place))


def images_of(text: str) -> tuple[Image, ...]:
    digest = hashlib.sha256(b"").hexdigest()
    starts = [place for place in range(len(text)) if text.startswith(REFERENCE, place)]
    return tuple(Image(NAME, "image/png", 0, digest, start, start + len(REFERENCE)) for start in starts)


def cleaned(reading: Reading, *rules: str) -> tuple[Reading, list[Change]]:
    changes = clean(reading.text, reading.page_starts, rules or ALL, reading.syntax)
    return moved(reading, changes), changes


@pytest.mark.parametrize("rules", [ALL, *((rule,) for rule in ALL), tuple(reversed(ALL))], ids=" ".join)
def test_the_laws_of_cleaning_hold_for_every_text(rules: tuple[str, ...]) -> None:
    @settings(max_examples=150, deadline=None)
    @given(reading=readings())
    @example(reading=Reading("", (), ()))
    @example(reading=Reading("12\n", (0,), ()))
    @example(reading=Reading("a-\n\n\n\nb", (0, 5), ()))
    def check(reading: Reading) -> None:
        after, changes = cleaned(reading, *rules)
        assert after.text == apply(reading.text, changes)
        assert all(0 <= change.start <= change.end <= len(reading.text) for change in changes)
        assert all(one.end < other.start for one, other in itertools.pairwise(changes))
        assert all(reading.text[change.start : change.end] != change.added for change in changes)
        assert {change.rule for change in changes} <= set(rules)
        assert bool(after.text.strip()) == bool(reading.text.strip())
        assert len(after.page_starts) == len(reading.page_starts)
        assert list(after.page_starts) == sorted(after.page_starts)
        assert all(0 <= start <= len(after.text) for start in after.page_starts)
        assert list(after.row_starts) == sorted(set(after.row_starts))
        for image in after.images:
            assert after.text[image.char_start : image.char_end] == REFERENCE
        assert [image.char_start for image in after.images] == [
            one.char_start for one in images_of(after.text)
        ]
        assert after.text.count(f"](images/{NAME})") == len(after.images)
        assert cleaned(after, *rules)[1] == []
        if reading.syntax == "python":
            assert changes == []

    check()


@st.composite
def changed(draw: st.DrawFn, text: str) -> list[Change]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return [
        Change(start, end, draw(st.text("xy", max_size=3)), draw(st.sampled_from("rs")))
        for start, end in pairs
    ]


@given(data=st.data(), text=st.text("abcd", max_size=30))
def test_joined_changes_do_what_both_rounds_do_one_after_the_other(data: Any, text: str) -> None:
    first = data.draw(changed(text))
    middle = apply(text, first)
    second = data.draw(changed(middle))
    both = joined(middle, first, second)
    assert apply(text, both) == apply(middle, second)
    assert all(one.end < other.start for one, other in itertools.pairwise(both))


@given(data=st.data(), text=st.text("abcd", max_size=30))
def test_a_diff_shows_what_goes_and_what_comes(data: Any, text: str) -> None:
    changes = data.draw(changed(text))
    for hunk, change in zip(diff(text, changes, context=5), changes, strict=True):
        shown = hunk.before + hunk.removed + hunk.after
        assert shown == text[max(0, change.start - 5) : change.end + 5]
        assert (hunk.added, hunk.rule, hunk.start, hunk.end) == (
            change.added,
            change.rule,
            change.start,
            change.end,
        )
