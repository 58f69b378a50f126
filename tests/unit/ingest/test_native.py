"""What is compiled gives what Python and numpy give: no chunk or id depends on a compiler."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.outline.lines import code_points, lines_by_numpy, lines_of
from services.ingest.outline.lists import is_item, is_item_by_numpy
from services.ingest.outline.markdown import candidates, candidates_by_numpy
from services.ingest.outline.native import scan
from services.ingest.splitting.sentences import behind_least, behind_least_by_python

pytestmark = pytest.mark.skipif(
    scan is None, reason="scan.c is not compiled; run `make setup` with a C compiler"
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
WORDS = st.lists(
    st.sampled_from(["A", "b", "the end", " ", "\n", ".", ". ", "。", "e.g. ", "3.14", "字", "é", "👍"]),
    max_size=80,
).map("".join)


def check_lines(text: str) -> None:
    ours, twins = lines_of(text), lines_by_numpy(text)
    for name in ("starts", "firsts", "indents", "heads", "signs", "opens"):
        assert np.array_equal(getattr(ours, name), getattr(twins, name)), name
    assert np.array_equal(is_item(ours), is_item_by_numpy(twins))
    assert np.array_equal(candidates(ours), candidates_by_numpy(twins))
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
