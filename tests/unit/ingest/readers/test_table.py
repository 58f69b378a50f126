from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support.read_files import read_bytes, refusal, rows_at


def test_a_csv_becomes_a_table_whose_rows_have_places(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b"part,years\nmotor,8\nbelt,2\n", "a.csv")
    assert reading.text == "| part | years |\n| --- | --- |\n| motor | 8 |\n| belt | 2 |\n"
    assert rows_at(reading) == ["| motor | 8 |", "| belt | 2 |"]
    assert reading.page_starts == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    rows = [["name", "price", "note"], ["a", "1.5", "x"], ["b", "2.5", "y"]]
    data = "\r\n".join(delimiter.join(row) for row in rows)
    expected = "| name | price | note |\n| --- | --- | --- |\n| a | 1.5 | x |\n| b | 2.5 | y |\n"
    assert read_bytes(tmp_path, data.encode(), "a.csv").text == expected


def test_commas_in_numbers_and_texts_do_not_hide_another_delimiter(tmp_path: Path) -> None:
    data = "Artikel;Preis\nSchraube, lang;1,50\nMutter;0,10\n"
    assert rows_at(read_bytes(tmp_path, data.encode(), "a.csv")) == [
        "| Schraube, lang | 1,50 |",
        "| Mutter | 0,10 |",
    ]
    assert rows_at(read_bytes(tmp_path, b"1,5;2,5\n3,5;4,5\n", "a.csv")) == ["| 3,5 | 4,5 |"]


def test_a_line_that_names_the_delimiter_is_no_row(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b"sep=;\na;b,c\n1;2\n", "a.csv")
    assert reading.text == "| a | b,c |\n| --- | --- |\n| 1 | 2 |\n"


def test_a_tsv_is_cut_at_tabs_only(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b"a,b\tc\n1,5\t2,5\n", "a.tsv")
    assert reading.text == "| a,b | c |\n| --- | --- |\n| 1,5 | 2,5 |\n"


def test_line_breaks_and_pipes_in_cells_stay_in_their_cell(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b'a,b\n"one\r\ntwo","x|y"\n3,"say ""hi"""\n', "a.csv")
    assert rows_at(reading) == ["| one<br>two | x\\|y |", '| 3 | say "hi" |']


def test_rows_of_different_length_are_filled_up(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b"a,b\n1\n1,2,3\n", "a.csv")
    assert reading.text == "| a | b |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 1 | 2 | 3 |\n"


def test_one_very_long_row_does_not_swell_the_others(tmp_path: Path) -> None:
    data = "a,b\n" + "1,2\n" * 1000 + ",".join("x" * 1000) + "\n"
    reading = read_bytes(tmp_path, data.encode(), "a.csv")
    assert len(reading.text) < 30_000
    assert len(reading.row_starts) == 1001


def test_empty_rows_are_left_out_and_the_first_other_is_the_header(tmp_path: Path) -> None:
    reading = read_bytes(tmp_path, b"\n,,\na,b\n\n1,2\n,\n", "a.csv")
    assert reading.text == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_quotes_that_are_not_closed_lose_no_text_and_no_rows(tmp_path: Path) -> None:
    reading = read_bytes(
        tmp_path, b'a,b\n1,"open\n2,x\n3,"also\n4,5" disk\n5,"in "the" middle"\n6,"z\n', "a.csv"
    )
    assert rows_at(reading) == [
        '| 1 | "open |',
        "| 2 | x |",
        '| 3 | "also |',
        '| 4 | 5" disk |',
        '| 5 | "in "the" middle" |',
        '| 6 | "z |',
    ]


def test_many_bad_quotes_cost_no_more_time_than_good_ones(tmp_path: Path) -> None:
    data = "a,b\n" + '"x\n1,"2\n' * 50_000
    assert len(read_bytes(tmp_path, data.encode(), "a.csv").row_starts) == 100_000


def test_a_huge_cell_is_kept(tmp_path: Path) -> None:
    cell = "word " * 100_000
    assert cell.strip() in read_bytes(tmp_path, f'a,b\n1,"{cell}"\n'.encode(), "a.csv").text


def test_a_table_of_an_old_encoding_is_read(tmp_path: Path) -> None:
    data = "姓名,部门,入职日期\r\n张伟,销售部,2021-03-05\r\n欧阳娜娜,研发中心,2019-11-20\r\n"
    reading = read_bytes(tmp_path, data.encode("gbk"), "花名册.csv")
    assert rows_at(reading)[1] == "| 欧阳娜娜 | 研发中心 | 2019-11-20 |"


def test_a_single_column_is_a_table_too(tmp_path: Path) -> None:
    assert rows_at(read_bytes(tmp_path, b"name\nash\nbirch\n", "a.csv")) == ["| ash |", "| birch |"]


@pytest.mark.full
def test_a_hundred_thousand_rows_are_read(tmp_path: Path) -> None:
    data = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(100_000))
    reading = read_bytes(tmp_path, data.encode(), "a.csv")
    assert len(reading.row_starts) == 100_000
    assert rows_at(reading)[-1] == "| 99999 | name 99999 |"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "TEXT_EMPTY"), (b"\n,,\n", "TEXT_EMPTY"), (b"a,b\n1,\x00\n", "TEXT_BINARY")],
)
def test_a_table_of_no_use_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    assert refusal(tmp_path, data, "a.csv").reason == reason


def test_a_table_that_becomes_too_long_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"a,b\n" + b"1,2\n" * 20, "a.csv", 100).reason == "TEXT_TOO_LARGE"


def bare(cell: str) -> str:
    """A cell without backslashes: those before a pipe are doubled."""
    return cell.replace("\\", "")


CELLS = st.lists(
    st.lists(st.text('ab,;|"\n \\`', max_size=6), min_size=2, max_size=4), min_size=2, max_size=6
)


@given(CELLS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_cell_that_python_writes_is_found_in_the_markdown_table(
    tmp_path: Path, rows: list[list[str]]
) -> None:
    stream = io.StringIO()
    csv.writer(stream, dialect="excel-tab").writerows(rows)
    kept = [row for row in rows if any(row)]
    if not any(cell.strip() for row in kept for cell in row):
        return
    reading = read_bytes(tmp_path, stream.getvalue().encode(), "a.tsv")
    tokens = MarkdownIt("commonmark").enable("table").parse(reading.text)
    assert sum(token.type == "tr_open" for token in tokens) == len(kept)
    assert len(reading.row_starts) == len(kept) - 1
    found = [bare(after.content) for token, after in pairwise(tokens) if token.type in {"th_open", "td_open"}]
    width = max(map(len, kept))
    expected = [
        bare(cell.strip().replace("\n", "<br>")) for row in kept for cell in row + [""] * (width - len(row))
    ]
    assert found == expected
