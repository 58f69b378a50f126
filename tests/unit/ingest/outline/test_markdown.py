from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.ingest.outline import headings_of, layout_of
from services.ingest.outline.layout import Layout
from services.ingest.readers.reading import normalised

LINES = st.one_of(
    st.sampled_from(
        [
            "",
            "",
            "   ",
            "# Top",
            "## Below ##",
            "### #",
            "#",
            "#no heading",
            "####### seven",
            " ## indented",
            "    # code",
            "Under",
            "two words",
            "  Under",
            "=====",
            "---",
            "- - -",
            "***",
            "```",
            "````",
            "```python",
            "``` a`b",
            "~~~ python",
            "~~~",
            "  ```",
            "    ```",
            "    indented code",
            "\tcode",
            "- an item",
            "* another",
            "1. one",
            "2) two",
            "  1. a nested item. It says more.",
            "> a quotation",
            "> # quoted",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "a | b",
            "--- | ---",
            ":-: | --",
            "| a |",
            "| \\| | b |",
            "| - | - |",
            "<div>",
            "</div>",
            "<!-- a",
            "b -->",
            "<pre>",
            "</pre>",
            "<b>",
            "<?php",
            "?>",
            "A sentence. Another one! A third? “Quoted.” End",
            "第一句话。第二句话！",
        ]
    ),
    st.text(alphabet="ab#`~=|>*1. \t", max_size=8).map(lambda text: f"a{text}"),
)
TEXTS = st.lists(LINES, max_size=14).map(lambda lines: normalised("\n".join(lines)))


def oracle(text: str) -> tuple[list[tuple[int, int, str]], list[tuple[int, int]], list[tuple[int, int]]]:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    headings = [
        (
            first(token),
            int(token.tag[1:]),
            " ".join(part.strip() for part in tokens[index + 1].content.split("\n")),
        )
        for index, token in enumerate(tokens)
        if token.type == "heading_open" and token.level == 0
    ]
    fences = [lines(token) for token in tokens if token.type == "fence" and token.level == 0]
    tables = [lines(token) for token in tokens if token.type == "table_open" and token.level == 0]
    return headings, fences, tables


def lines(token: Token) -> tuple[int, int]:
    assert token.map is not None
    return token.map[0], token.map[1]


def first(token: Token) -> int:
    return lines(token)[0]


def line_of(text: str, place: int) -> int:
    return text.count("\n", 0, place)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(TEXTS)
def test_headings_are_those_of_a_markdown_parser(text: str) -> None:
    found = [(line_of(text, one.start), one.level, one.title) for one in headings_of(text, "markdown")[0]]
    assert found == oracle(text)[0]


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(TEXTS)
def test_top_level_code_blocks_and_tables_are_those_of_a_markdown_parser(text: str) -> None:
    layout = layout_of(text)
    _, fences, tables = oracle(text)
    starts = {line_of(text, start) for start, _ in layout.wholes}
    assert {start for start, _ in fences} <= starts
    assert {start for start, _ in tables} <= {line_of(text, table.start) for table in layout.tables}


def titles(text: str, syntax: str = "markdown") -> list[tuple[int, str]]:
    return [(one.level, one.title) for one in headings_of(text, syntax)[0]]


def test_front_matter_holds_no_headings() -> None:
    assert titles("---\ntitle: x\n# comment\n---\n\n# Real\n") == [(1, "Real")]


def test_a_heading_inside_of_a_list_item_is_none() -> None:
    assert titles("- a\n\n  # b\n\n# C\n\n1. d\n\n   ```\n# e\n") == [(1, "C"), (1, "e")]


def test_of_far_too_many_headings_the_upper_levels_are_the_outline() -> None:
    text = "# A\n" + "## b\n" * 100_000 + "# C\n"
    assert titles(text) == [(1, "A"), (1, "C")]
    assert titles("# A\n" * 100_001) == []


# The longest text that is taken has 20 million characters, and a process 1 GiB for all steps.


def test_a_text_of_nothing_but_formulas_takes_little_memory() -> None:
    text = "$$\n" * 100_000
    layout, peak = laid_out(text)
    assert len(layout.wholes) == 50_000
    assert peak < 45 * len(text)


def test_a_text_of_nothing_but_tables_takes_little_memory() -> None:
    text = "| a |\n|---|\n\n" * 50_000
    layout, peak = laid_out(text)
    assert len(layout.tables) == 50_000
    assert peak < 15 * len(text)


def laid_out(text: str) -> tuple[Layout, int]:
    """The layout of a text, and the most memory that it took, in bytes."""
    tracemalloc.start()
    try:
        return layout_of(text, "markdown"), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
