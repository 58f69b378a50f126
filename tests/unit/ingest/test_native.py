"""What is compiled gives what Python and numpy give: no chunk or id depends on a compiler."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.outline import headings_in
from services.ingest.outline.html import LITERAL, NAMES
from services.ingest.outline.layout import Layout
from services.ingest.outline.lines import code_points, lines_by_numpy, lines_of
from services.ingest.outline.lists import is_item, is_item_by_numpy
from services.ingest.outline.markdown import layout_by_python, layout_by_scan, title_at
from services.ingest.outline.native import scan
from services.ingest.splitting import SplitOptions
from services.ingest.splitting.measure import ruler_of
from services.ingest.splitting.sentences import behind_least, behind_least_by_python
from services.ingest.splitting.structure import cut_by_python, cut_by_scan, plan_of
from services.ingest.tokens import kind_table, tenths_before, tenths_by_numpy

pytestmark = pytest.mark.skipif(
    scan is None, reason="the C of `outline/c` is not compiled; run `make setup` with a C compiler"
)

ROOT = Path(__file__).parents[3]
READMES = (found.metadata.json.get("description", "") for found in distributions())
TEXTS = sorted(map(str, READMES), key=len)[-30:] + [path.read_text() for path in ROOT.glob("*.md")]
SIGNS = st.sampled_from(
    [
        *"\n\n\n \t\r\x00\x1c#<=-*+>0123456789.)|:`~$\\[bx",
        "    ",
        "\n\n",
        "```",
        "é",
        "字",
        "。",
        "👍",
        "\u2028",
    ]
)
MARKUP = st.lists(SIGNS, max_size=60).map("".join)
BLOCKS = st.lists(
    st.sampled_from(
        [
            *[
                "",
                "",
                "",
                "Some words.",
                "A sentence. Another one. 字。",
                "=====",
                "---",
                "- - -",
                "***",
                "___  ",
                "$$",
            ],
            *[
                "# Top",
                "## Two #",
                "# end # \u3000",
                "## a##",
                "# ##",
                "#",
                "####### no",
                "#\ttab",
                "  # in",
                "    # code",
                "\t# tab",
                "#x",
                "# a | b",
                "# " + "word " * 60 + "#",
                "# " + "x" * 199 + " \u3000y ##",
                "x" * 150 + "\n" + "y" * 150 + "\n===",
            ],
            *[
                "```",
                "``` py",
                "````",
                "  ```",
                "   ~~~",
                "~~~~ `x`",
                "``` a`b",
                "```  ",
                "\t```",
                "~~~",
                "    ```",
            ],
            *[
                "- x",
                "* y",
                "+",
                "-",
                "1. z",
                "12) w",
                "123456789. v",
                "\u0661. x",
                "-    five",
                "-     code",
                "-\tt",
            ],
            *[
                "- ```",
                "1. ~~~ x",
                "> ```",
                ">~~~",
                "> text",
                ">",
                "> # t",
                ">     x",
                "> ```  ",
                "  - nested",
                "10. ```",
            ],
            *[
                "a | b",
                "|a|b|",
                "| a \\| b | c |",
                "|---|---|",
                "--|--",
                ":-:|-:",
                "| - |",
                "|",
                "-|",
                "|-|",
                "| x",
                "- | -",
            ],
            *[
                "<div>",
                "</div>",
                "<DIV class=x>",
                "<br/>",
                "<pre>",
                "</pre>",
                "<script/>",
                "<script>",
                "</script> x",
            ],
            *[
                "<a href='x'>",
                "<a b=c d>",
                '<img src="a\nb" />',
                "<a b=c\u3000d=e>",
                "<a\u00a0b>",
                "<x-y>",
                "<h1 a=>",
            ],
            *[
                "<!--",
                "-->",
                "<!-- x -->",
                "<?php",
                "?>",
                "<!X>",
                "<!x>",
                "<![CDATA[",
                "]]>",
                "<p/>",
                "<p",
                "<ſummary>",
            ],
            *[
                "$$ x $$",
                "$$",
                "\\[",
                "\\]",
                "\\begin{a}",
                "\\end{a}",
                "[a]: b",
                "[a]:",
                "[a]: <x> y",
                "`code` $x$",
            ],
            *[
                "é",
                "👍 x",
                "\x1f",
                "\x85",
                "x\x1c",
                "word " * 60,
                "x" * 90,
                "A b. C d. " * 20,
                "第一句。第二句。" * 20,
            ],
            *[
                "Dr. No. Fig. A. ",
                "![a](b) [c](d). E f. " * 12,
                "```\n" + "code\n" * 40 + "```",
                "|a|\n|-|" + "\n|b|" * 60,
            ],
        ]
    ),
    max_size=40,
)
DOCUMENTS = st.tuples(BLOCKS, st.sampled_from(["", "\n", "é\n", "字", "👍"])).map(
    lambda parts: "\n".join(parts[0]) + parts[1]
)
SIZES = st.tuples(st.integers(1, 300), st.integers(0, 300)).map(
    lambda sizes: SplitOptions(min_size=sizes[0], max_size=sizes[0] + sizes[1])
)
WORDS = st.lists(
    st.sampled_from(["A", "b", "the end", " ", "\n", ".", ". ", "。", "e.g. ", "3.14", "字", "é", "👍"]),
    max_size=80,
).map("".join)


def check_lines(text: str) -> None:
    ours, twins = lines_of(text), lines_by_numpy(text)
    for name in ("starts", "firsts", "indents", "heads", "signs", "opens"):
        assert np.array_equal(getattr(ours, name), getattr(twins, name)), name
    assert np.array_equal(is_item(ours), is_item_by_numpy(twins))
    assert code_points(text).tolist() == [ord(sign) for sign in text]


@settings(max_examples=300, deadline=None)
@given(st.one_of(MARKUP, st.text(max_size=60)))
@example("")
@example("\n" * 3)
@example(" " * 40 + "\tx")
@example("123456789. x\n1234567890. x\n1.")
def test_lines_found_natively_are_those_that_numpy_finds(text: str) -> None:
    check_lines(text)


@pytest.mark.parametrize("more", ["", "é", "字", "👍"])
def test_lines_of_documents_are_the_same_too(more: str) -> None:
    for text in TEXTS:
        check_lines(text + more)
        check_lines(text.replace("\n\n", "\n \t\n").replace("\n", "\n\t ") + more)


@settings(max_examples=300, deadline=None)
@given(WORDS, st.integers(1, 60), st.integers(0, 200))
def test_the_sentence_found_natively_is_the_one_that_python_finds(words: str, least: int, more: int) -> None:
    text = f"Some. {words} More of it."
    least = min(least, len(text) - 2)
    most = min(least + more, len(text) - 2)
    for mark in ".。":
        found = behind_least_by_python(text, mark, least - 1, most)
        assert behind_least(text, mark, least - 1, most) == found


def as_told(layout: Layout) -> dict[str, object]:
    told: dict[str, object] = {
        "starting": layout.starting.tolist(),
        "glued": layout.glued.tolist(),
        "wholes": list(layout.wholes),
        "tables": list(layout.tables),
    }
    return told | {one.name: getattr(layout.titles, one.name).tolist() for one in fields(layout.titles)}


def check_layout(text: str, *sizes: SplitOptions) -> None:
    lines = lines_of(text)
    layout = layout_by_scan(lines)
    assert as_told(layout) == as_told(layout_by_python(lines))
    for heading in headings_in(layout, "markdown"):
        assert heading.title == title_at(text[heading.start : heading.end])
    for size in sizes:
        plan = plan_of(layout, ruler_of(text, size))
        assert cut_by_scan(plan, 0, len(text)) == cut_by_python(plan, 0, len(text))
        for kind in (plan.titles, plan.blocks, plan.rows):
            for first in range(0, len(kind.offsets) - 3, 4):
                assert kind.least(first, first + 3) == kind.least_by_python(first, first + 3)


@settings(max_examples=1000, deadline=None)
@given(st.one_of(DOCUMENTS, MARKUP), SIZES)
@example("a\n-", SplitOptions())
@example("# a | b\n---|---\n1|2", SplitOptions(min_size=1, max_size=1))
@example("---\na: 1\n# b\n---\n# c\n", SplitOptions())
@example("  x\n  ===\n", SplitOptions())
@example("|\n|-|\n", SplitOptions())
@example("# " + "a" * 199 + " \u3000bc ##", SplitOptions())
@example("# " + "字" * 200 + " #", SplitOptions())
def test_blocks_and_cuts_found_natively_are_those_that_python_finds(text: str, size: SplitOptions) -> None:
    check_layout(text, size)


@pytest.mark.parametrize(
    "more", ["", pytest.param("é", marks=pytest.mark.full), "字", pytest.param("👍", marks=pytest.mark.full)]
)
def test_blocks_and_cuts_of_documents_are_the_same_too(more: str) -> None:
    sizes = [SplitOptions(min_size=low, max_size=high) for low, high in ((800, 1500), (100, 300), (20, 40))]
    for text in TEXTS:
        check_layout(text + more, *sizes)
        check_layout(text.replace("\n\n", "\n").replace("\n", "\n ") + more, *sizes)


NUMBERS = st.integers(-(1 << 31), (1 << 31) - 1)


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, st.randoms(use_true_random=False), NUMBERS)
def test_numbers_that_belong_to_no_text_do_no_harm(text: str, dice: random.Random, front: int) -> None:
    lines, count = lines_of(text), len(lines_of(text))
    near = [-1, 0, 1, len(text) - 1, len(text), len(text) + 1]

    def numbers(many: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        some = [dice.choice([*near, dice.randint(-(1 << 31), (1 << 31) - 1)]) for _ in range(many)]
        return np.array(some, np.int32)

    def flags(many: int) -> bytes:
        return dice.randbytes(many)

    def answer(*_: object) -> int:
        return dice.choice(near)

    columns = (numbers(count), numbers(count), numbers(count), lines.signs, flags(count), flags(count))
    found = scan.blocks(text, *columns, front, NAMES, LITERAL, answer, answer, answer)
    assert len(found[0]) == count
    assert len(scan.items(text, numbers(9))) == len(scan.titles(text, numbers(9))[1]) == 9
    assert scan.least_place(text, numbers(9), numbers(9), 0, 9) in range(9)
    places = (numbers(9), numbers(9), numbers(9), numbers(9), numbers(9), flags(9), numbers(9), numbers(9))
    try:
        scan.cuts(text, *places, "`", "abb", (3, 4, 5), 9, 0, len(text), answer, answer, answer)
    except ValueError as error:
        assert "is none" in str(error)  # most end so, and some are cut to the end


def test_columns_that_do_not_belong_together_are_refused() -> None:
    one, asked = np.zeros(1, np.int32), lambda *_: -1
    with pytest.raises(ValueError, match="same length"):
        scan.blocks("a", one, one, one, b"aa", b"\0", b"\0", 0, NAMES, LITERAL, asked, asked, asked)
    with pytest.raises(ValueError, match="belong"):
        scan.cuts(
            "a", one, b"", b"", b"", b"", b"", b"", b"", "", "", (1, 1, 1), 1, 0, 1, asked, asked, asked
        )
    for places in (np.array([2], np.int32), np.array([1, 0], np.int32), np.array([-1], np.int32)):
        with pytest.raises(ValueError, match="ascending"):
            scan.tenths("a", kind_table(), places)
    with pytest.raises(ValueError, match="65,536"):
        scan.tenths("a", b"", one)
    with pytest.raises(ValueError, match="no such"):
        scan.least_place("a", one, b"", 0, 2)


def test_what_is_asked_may_fail() -> None:
    def fails(*_: object) -> int:
        raise KeyError("asked")

    lines = lines_of("$$\nx\n$$\n")
    columns = (lines.starts, lines.firsts, lines.indents, lines.signs, lines.opens, is_item(lines))
    with pytest.raises(KeyError, match="asked"):
        scan.blocks(lines.text, *columns, 0, NAMES, LITERAL, fails, fails, fails)
    empty = (b"",) * 8
    with pytest.raises(KeyError, match="asked"):
        scan.cuts("a b", *empty, "", "", (1, 1, 2), 1, 0, 3, fails, fails, fails)


@settings(max_examples=300, deadline=None)
@given(st.one_of(DOCUMENTS, st.text(), WORDS), st.lists(st.integers(0, 2000), max_size=9))
@example("a" * 40 + " " + "1" * 25 + "a字!b_c" * 9 + "\U00020000\U00010000é", [12, 13, 24, 25, 60])
def test_tokens_counted_natively_are_those_that_numpy_counts(text: str, places: list[int]) -> None:
    some = np.array(sorted(min(place, len(text)) for place in [*places, 0, len(text)]), np.int32)
    assert tenths_before(text, some).tolist() == tenths_by_numpy(text, some).tolist()


PROGRAM = """
import sys
if sys.argv[1] == "plain":
    sys.modules["services.ingest.outline.scan"] = None  # what may not be imported
from hashlib import sha256
from pathlib import Path
from services.ingest.outline import headings_of
from services.ingest.outline.native import scan
from services.ingest.splitting import SplitOptions, split
assert (scan is None) == (sys.argv[1] == "plain")
for path in sorted(Path(sys.argv[2]).iterdir()):
    text = path.read_text()
    sizes = (SplitOptions(), SplitOptions(min_size=100, max_size=300), SplitOptions(min_size=20, max_size=40))
    found = [headings_of(text, "markdown"), headings_of(text, "plain"), *(split(text, size) for size in sizes)]
    print(sha256(repr(found).encode()).hexdigest())
"""


def test_chunks_and_headings_are_the_same_where_nothing_is_compiled(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        (tmp_path / str(number)).write_text(text)
    native, plain = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM, how, str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for how in ("native", "plain")
    )
    assert len(native) == len(TEXTS)
    assert native == plain
