"""Rows of lists, on screens of any width."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from sishu.cli.grids import CUT, Column, broken, cut, laid_out

ID = "01a21738-77f7-7f55-8901-7031b2b8a8e0"


def lines_of(width: int, **cells: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The head, and the lines of each row."""
    columns = [Column(path.replace("__", "."), values) for path, values in cells.items()]
    grid = laid_out(columns, width)
    return list(grid.head()), [list(grid.row(row)) for row in range(len(columns[0].cells))]


def test_a_row_stands_on_one_line_where_there_is_room() -> None:
    head, rows = lines_of(200, id=[ID], create_time=["2026-11-27 17:07:28"], question=["Why? " * 40])
    assert head == [" " * 38 + "create", f"{'id':38}{'time':21}question"]
    assert rows == [[f"{ID}  2026-11-27 17:07:28  {('Why? ' * 40)[:59].rstrip()}{CUT}"]]


def test_texts_stand_below_a_row_beside_which_they_have_no_room() -> None:
    cells = {"id": [ID, ID], "kind": ["sft", "text"], "state": ["kept", "kept"], "question": ["Why?", ""]}
    head, rows = lines_of(80, **cells, answer=["苍鹭。" * 30, "A text."], rejection__reason=["", "WRONG"])
    assert head[-1].split() == ["id", "kind", "state", "reason"]
    assert rows[0][0].split() == [ID, "sft", "kept"]
    assert rows[0][1] == "  question: Why?"
    assert rows[0][2].startswith("  answer: 苍鹭。苍鹭。")
    assert rows[0][2].endswith(CUT)
    assert cell_len(rows[0][2]) <= 80
    assert rows[1][1:] == ["  answer: A text."]


def test_what_has_no_room_beside_the_first_columns_stands_below_with_its_name() -> None:
    cells = {"id": [ID], "dataset_version_id": [ID], "state": ["ready"], "options__bundle": ["trl"]}
    head, rows = lines_of(80, **cells, options__shape=[""])
    assert head[-1].split() == ["id", "id"]
    assert rows == [[f"{ID}  {ID}", "  state: ready  options.bundle: trl"]]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("handbook/returns.pdf", ["handbook/", "returns.pdf"]),
        ("of returns and refunds", ["of returns ", "and refunds"]),
        ("returns", ["returns"]),
        ("苍鹭与白鹭的湿地", ["苍鹭与白鹭", "的湿地"]),
        ("", [""]),
    ],
)
def test_a_name_is_broken_where_its_parts_end(name: str, lines: list[str]) -> None:
    assert broken(name, 11) == lines


def test_a_text_that_fits_is_whole() -> None:
    assert cut("苍鹭", 4) == "苍鹭"
    assert cut("苍鹭。", 5) == "苍鹭…"


words = st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=20)
rows = st.lists(st.tuples(words, words, st.text("ab/. 苍", max_size=90), words), min_size=1, max_size=4)


@given(rows, st.integers(56, 160))
def test_no_word_is_broken_and_no_line_longer_than_the_screen(
    drawn: list[tuple[str, str, str, str]], width: int
) -> None:
    kinds, states, names, texts = ([row[place] for row in drawn] for place in range(4))
    cells = {"id": [ID] * len(drawn), "kind": kinds, "file__name": names, "job__state": states}
    _, found = lines_of(width, **cells, text=texts)
    for lines, (kind, state, name, _) in zip(found, drawn, strict=True):
        assert all(cell_len(line) <= width for line in lines if "file.name: " not in line)
        assert lines[0].startswith(ID)
        whole = "\n".join(lines)
        assert kind in whole
        assert state in whole
        assert all(letter in whole for letter in name.strip())
