from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.outline import blocks, heading_paths
from services.ingest.readers.reading import normalised
from services.ingest.splitting import SplitOptions, split
from services.runtime.errors import InvalidArgument

LINES = st.one_of(
    st.sampled_from(
        [
            "",
            "# Top",
            "## Below ##",
            "Under",
            "=====",
            "---",
            "```",
            "~~~ python",
            "    indented code",
            "- an item",
            "  1. a nested item. It says more.",
            "> a quotation",
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "<div>",
            "</div>",
            "[ref]: http://example.org",
            "$$",
            "A sentence. Another one! A third? “Quoted.” End",
            "第一句话。第二句话！第三句话？「引文。」结尾",
            "word " * 60,
            "字" * 120,
            "x" * 200,
        ]
    ),
    st.text(max_size=40),
)
TEXTS = st.lists(LINES, max_size=30).map(lambda lines: normalised("\n".join(lines)))
OPTIONS = st.tuples(st.integers(1, 200), st.integers(0, 200)).map(
    lambda sizes: SplitOptions(min_chars=sizes[0], max_chars=sizes[0] + sizes[1])
)


@given(TEXTS, OPTIONS)
@example("", SplitOptions())
@example("a\fb\u2028c\x85d\x1ce", SplitOptions(1, 2))
@example("\n\n\n# A\n\n", SplitOptions(1, 1))
def test_chunks_together_are_the_text_and_none_is_too_large(text: str, options: SplitOptions) -> None:
    spans = split(text, options)
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(0 < end - start <= options.max_chars for start, end in spans)
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]


@given(TEXTS)
def test_blocks_together_are_the_text(text: str) -> None:
    found = blocks(text)
    assert "".join(text[block.start : block.end] for block in found) == text


@given(TEXTS, st.lists(st.integers(0, 2000), max_size=5))
def test_every_place_has_a_path_of_headings(text: str, places: list[int]) -> None:
    assert len(heading_paths(text, places)) == len(places)


def texts(text: str, min_chars: int, max_chars: int) -> list[str]:
    return [text[start:end] for start, end in split(text, SplitOptions(min_chars, max_chars))]


def test_a_heading_starts_a_chunk_once_the_one_before_is_large_enough() -> None:
    text = "# One\n\n" + "a " * 30 + "\n\n# Two\n\nb\n"
    assert texts(text, 20, 500) == ["# One\n\n" + "a " * 30 + "\n\n", "# Two\n\nb\n"]


def test_small_sections_are_joined_while_they_fit() -> None:
    text = "# One\n\na\n\n# Two\n\nb\n\n# Three\n\nc\n"
    assert texts(text, 20, 500) == ["# One\n\na\n\n# Two\n\nb\n\n", "# Three\n\nc\n"]


def test_a_long_paragraph_is_cut_after_sentences() -> None:
    text = "First sentence here. Second sentence here. Third sentence here.\n"
    assert texts(text, 1, 45) == ["First sentence here. Second sentence here. ", "Third sentence here.\n"]


def test_a_long_chinese_paragraph_is_cut_after_sentences() -> None:
    text = "第一句话在这里。第二句话在这里！第三句话在这里？"
    assert texts(text, 1, 17) == ["第一句话在这里。第二句话在这里！", "第三句话在这里？"]


def test_a_sentence_too_long_is_cut_between_words_and_a_word_too_long_anywhere() -> None:
    assert texts("one two three four", 1, 8) == ["one two ", "three ", "four"]
    assert texts("x" * 10, 1, 4) == ["xxxx", "xxxx", "xx"]


def test_a_table_is_cut_between_rows() -> None:
    text = "| a | b |\n|---|---|\n| 1. x | 2 |\n| 3. y | 4 |\n"
    assert all(part.endswith("|\n") for part in texts(text, 1, 25))


def test_code_that_looks_like_a_heading_is_none() -> None:
    text = "# Real\n\n```\n# not a heading\n```\n\nafter\n"
    assert heading_paths(text, [text.index("after")]) == [["Real"]]


def test_a_place_knows_the_headings_above_it_outermost_first() -> None:
    text = "intro\n\n# A\n\n## B\n\nx\n\n### C\n\ny\n\n## D\n\nz\n\nE\n===\n\nw\n"
    places = [text.index(mark) for mark in ("intro", "## B", "x", "y", "z", "w\n")]
    assert heading_paths(text, places) == [[], ["A", "B"], ["A", "B"], ["A", "B", "C"], ["A", "D"], ["E"]]


@pytest.mark.parametrize(("low", "high"), [(0, 10), (-1, 10), (11, 10)])
def test_sizes_that_contradict_each_other_are_refused(low: int, high: int) -> None:
    with pytest.raises(InvalidArgument, match=f"min_chars \\({low}\\)"):
        SplitOptions(low, high)
