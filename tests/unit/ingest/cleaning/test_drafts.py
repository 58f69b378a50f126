from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.cleaning import clean
from services.ingest.cleaning.drafts import Draft
from services.ingest.outline import layout_of

SIGNS = [
    "a",
    "b c",
    "$$",
    "\\[",
    "\\]",
    "```",
    "~~~",
    "- ```",
    "> ```",
    "    ```",
    "|a|",
    "a | b",
    "--|--",
    "---",
]
BLOCKS = st.lists(
    st.sampled_from([*SIGNS, "", "# T", "\\begin{a}", "\\end{a}", "a: 1", "- x", "  y", "> a | b"]),
    max_size=30,
).map("\n".join)


@settings(max_examples=500, deadline=None)
@given(BLOCKS)
def test_what_is_not_cut_and_tables_are_no_prose(text: str) -> None:
    layout = layout_of(text)
    spans = [*layout.wholes, *((table.start, table.end) for table in layout.tables)]
    for line in Draft(text, (), "markdown").lines:
        inside = any(start <= line.start < end for start, end in spans)
        assert line.text == text[line.start : line.end]
        assert line.kind not in {"prose", "blank"} if inside else line.kind not in {"code", "formula"}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("```\n\n|a|\n```\nb", ["code"] * 4 + ["prose"]),
        ("- x\n  ```\n  y\n  ```", ["prose", "code", "code", "code"]),
        ("$$\nx\n\n$$\n", ["formula"] * 4 + ["blank"]),
        ("\\begin{align}\nx\n\\end{align}", ["formula"] * 3),
        ("---\na: 1\n---\n\nb", ["code", "code", "code", "blank", "prose"]),
        ("a | b\n--|--\n1 | 2\n\nc", ["table", "table", "table", "blank", "prose"]),
        ("| 1 | 2 |\n> | a |\n> a | b", ["table"] * 3),
    ],
)
def test_each_line_has_its_kind(text: str, kinds: list[str]) -> None:
    assert [line.kind for line in Draft(text, (), "markdown").lines] == kinds


def test_a_formula_of_many_lines_is_left_alone() -> None:
    text = "Some words.\n\n$$\n" + "alpha infor-\nmation\n" * 100 + "$$\n"
    assert clean(text, (), ["hyphenation", "line_breaks"], "markdown") == []
