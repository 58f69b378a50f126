from __future__ import annotations

from pathlib import Path

from reportlab.lib import colors
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, Table, TableStyle

from tests.support.pdf_files import BODY, GRID, lines
from tests.unit.ingest.readers.pdf_readings import drawn, flow, read


def table_in(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.startswith("|")]


def test_cells_that_are_merged_hold_their_value_once(tmp_path: Path) -> None:
    spans = TableStyle([*GRID.getCommands(), ("SPAN", (0, 0), (0, 1)), ("SPAN", (1, 0), (2, 0))])
    cells = [["Town", "Temperature", ""], ["", "light", "dark"], ["Northby", "31.4", "37.9"]]
    text = read(tmp_path, flow([Table(cells, style=spans)])).text
    assert (
        text
        == "| Town | Temperature |  |\n| --- | --- | --- |\n|  | light | dark |\n| Northby | 31.4 | 37.9 |\n"
    )


def test_a_line_break_in_a_cell_and_a_line_that_its_width_broke_are_told_apart(tmp_path: Path) -> None:
    long = "A text that is too long for the width of its cell and goes on"
    cells = [["Name", "Remarks"], ["Pump\nmodel 3", Paragraph(long, BODY)], ["a|b", "x"]]
    text = read(tmp_path, flow([Table(cells, style=GRID, colWidths=[80, 120])])).text
    assert table_in(text)[2:] == [f"| Pump<br>model 3 | {long} |", "| a\\|b | x |"]


def test_a_table_with_lines_under_its_rows_only_is_a_table(tmp_path: Path) -> None:
    style = TableStyle(
        [
            ("LINEABOVE", (0, 0), (-1, 0), 1, colors.black),
            ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
            ("LINEBELOW", (0, -1), (-1, -1), 1, colors.black),
        ]
    )
    text = read(
        tmp_path, flow([Table([["Method", "Score"], ["ours", "0.93"]], style=style, colWidths=[100, 100])])
    ).text
    assert text == "| Method | Score |\n| --- | --- |\n| ours | 0.93 |\n"


def test_rows_that_no_line_parts_are_rows_still(tmp_path: Path) -> None:
    style = TableStyle(
        [
            ("BOX", (0, 0), (-1, -1), 1, colors.black),
            ("INNERGRID", (0, 0), (-1, 0), 0.5, colors.black),
            ("LINEBEFORE", (1, 0), (1, -1), 0.5, colors.black),
            ("LINEBELOW", (0, 0), (-1, 0), 0.5, colors.black),
        ]
    )
    cells = [["Town", "Houses"], ["Northby", "22"], ["Eastwick", "18"], ["Holmsund", "20"]]
    text = read(tmp_path, flow([Table(cells, style=style)])).text
    assert (
        text == "| Town | Houses |\n| --- | --- |\n| Northby | 22 |\n| Eastwick | 18 |\n| Holmsund | 20 |\n"
    )


def test_a_table_drawn_by_thin_filled_rectangles_is_a_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(3):
            canvas.rect(72, 700 - 20 * row, 200, 0.5, stroke=0, fill=1)
        for column in range(3):
            canvas.rect(72 + 100 * column, 660, 0.5, 40, stroke=0, fill=1)
        for row in range(2):
            for column in range(2):
                canvas.drawString(80 + 100 * column, 687 - 20 * row, f"cell {row}{column}")

    assert drawn(tmp_path, draw) == "| cell 00 | cell 01 |\n| --- | --- |\n| cell 10 | cell 11 |\n"


def test_a_table_inside_a_form_object_is_a_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.beginForm("table")
        canvas.grid([0, 100, 200], [0, 20, 40])
        canvas.drawString(5, 25, "a")
        canvas.drawString(105, 25, "b")
        canvas.drawString(5, 5, "c")
        canvas.drawString(105, 5, "d")
        canvas.endForm()
        canvas.translate(72, 600)
        canvas.doForm("table")

    assert drawn(tmp_path, draw) == "| a | b |\n| --- | --- |\n| c | d |\n"


def test_a_frame_around_text_is_no_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.rect(60, 640, 400, 80)
        lines(canvas, ["Note that this text stands in a frame", "and is no table at all."], 72, 700)

    assert "|" not in drawn(tmp_path, draw)


def test_two_tables_on_a_page_keep_the_text_between_them(tmp_path: Path) -> None:
    story = [
        Table([["a", "b"], ["c", "d"]], style=GRID),
        Paragraph("In between.", BODY),
        Table([["e", "f"], ["g", "h"]], style=GRID),
    ]
    text = read(tmp_path, flow(story)).text
    assert (
        text == "| a | b |\n| --- | --- |\n| c | d |\n\nIn between.\n\n| e | f |\n| --- | --- |\n| g | h |\n"
    )
