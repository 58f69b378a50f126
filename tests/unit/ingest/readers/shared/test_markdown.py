from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.ingest.readers.shared import markdown


def bare(cell: str) -> str:
    """A cell without backslashes: those before a pipe are doubled."""
    return cell.replace("\\", "")


def parsed(text: str) -> list[tuple[str, str]]:
    return [(token.type, token.content) for token in MarkdownIt("commonmark").enable("table").parse(text)]


def test_the_first_row_of_a_table_is_its_header_and_short_rows_are_filled() -> None:
    assert markdown.table([["a", "b"], ["1"]]) == "| a | b |\n| --- | --- |\n| 1 |  |\n"


def test_no_rows_are_no_table() -> None:
    assert markdown.table([]) == ""


def test_cells_keep_their_row_and_column() -> None:
    assert markdown.cell(" a|b\r\nc\\|d\u2028e ") == "a\\|b<br>c\\\\\\|d<br>e"


@given(st.lists(st.lists(st.text("a|\\ `", max_size=8), min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_parser_finds_the_cells_that_were_written(rows: list[list[str]]) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.table(rows))
    found = [bare(after.content) for token, after in pairwise(tokens) if token.type in {"th_open", "td_open"}]
    assert found == [bare(cell.strip()) for row in rows for cell in row]


def test_headings_are_one_line_of_a_level_that_exists() -> None:
    assert markdown.heading(2, " a\n b ") == "## a b"
    assert markdown.heading(9, "a") == "###### a"
    assert markdown.heading(1, " \n") == ""


@given(st.text("#>-=_*`~ a\n1.+", max_size=30))
@example("- # a")
@example("1. + > a")
@example("-   a\n    > b")
@example("1. a\n\n     ===")
@example("*\n    > a")
def test_a_paragraph_never_becomes_a_heading_quote_fence_or_rule(text: str) -> None:
    kinds = {kind for kind, _ in parsed(markdown.paragraph(text.strip()))}
    assert not kinds & {"heading_open", "blockquote_open", "fence", "hr"}


def test_a_paragraph_of_words_stays_as_it_is() -> None:
    text = "No. #1 > 2 - 3 = *x*\n2023 - 2024"
    assert markdown.paragraph(text) == text


def test_items_keep_their_level_and_their_lines() -> None:
    text = "\n".join([markdown.item(0, "a"), markdown.item(1, "b\nc"), markdown.item(0, "d", "1.")])
    assert text == "- a\n  - b\n    c\n1. d"


def test_a_fence_is_longer_than_any_in_the_code() -> None:
    assert parsed(markdown.fence("a\n```\nb\n", "py")) == [("fence", "a\n```\nb\n")]


def test_a_link_leads_to_the_web_or_is_bare_text() -> None:
    assert markdown.link("manual", "https://example.org/m") == "[manual](https://example.org/m)"
    assert markdown.link("Li", "mailto:li@example.org") == "[Li](mailto:li@example.org)"
    for text, address in (
        ("a", "javascript:x"),
        ("a", "file:///x"),
        ("a@b.c", "mailto:a@b.c"),
        (" ", "http://x"),
    ):
        assert markdown.link(text, address) == text
