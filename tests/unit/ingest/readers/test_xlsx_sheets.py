from __future__ import annotations

import io
from pathlib import Path

from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image

from tests.support.read_files import PNG, read_bytes, repacked, rows_at
from tests.unit.ingest.readers import drawn
from tests.unit.ingest.readers.workbooks import saved, sheet, text_of_sheet


def test_a_sheet_is_a_section_with_a_table_whose_rows_have_places(tmp_path: Path) -> None:
    page = sheet(["part", "years"], ["motor", 8], ["belt", 2], name="Warranty")
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    assert reading.text == "## Warranty\n\n| part | years |\n| --- | --- |\n| motor | 8 |\n| belt | 2 |\n"
    assert rows_at(reading) == ["| motor | 8 |", "| belt | 2 |"]
    assert (reading.page_starts, reading.syntax) == ([0], "markdown")


def test_each_sheet_is_a_page_in_order_empty_and_hidden_ones_too(tmp_path: Path) -> None:
    page = sheet(["a", "b"], name="One")
    page.parent.create_sheet("Empty")
    hidden = page.parent.create_sheet("Hidden")
    hidden["C5"] = "found"
    hidden.sheet_state = "veryHidden"
    page.parent.create_sheet("Last")["A1"] = "end"
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    assert reading.text.split("\n\n")[0] == "## One"
    assert [reading.page_at(reading.text.index(word)) for word in ("## One", "a |", "found", "end")] == [
        1,
        1,
        3,
        4,
    ]
    assert "Empty" not in reading.text
    assert len(reading.page_starts) == 4


def test_an_empty_row_parts_two_tables(tmp_path: Path) -> None:
    page = sheet([None], ["a", "b"], [1, 2], [None, None], [None], ["c", "d", "e"], [3, None, 5])
    assert text_of_sheet(tmp_path, page) == (
        "## Sheet\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| c | d | e |\n| --- | --- | --- |\n| 3 |  | 5 |\n"
    )


def test_columns_that_a_table_does_not_use_are_left_out(tmp_path: Path) -> None:
    page = sheet()
    page["C3"], page["F3"], page["C4"], page["F4"] = "a", "b", 1, 2
    assert text_of_sheet(tmp_path, page) == "## Sheet\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_lines_of_one_cell_above_a_table_are_its_captions(tmp_path: Path) -> None:
    page = sheet(["Sales 2024"], ["# in thousands"], ["a", "b"], [1, 2], ["sum"])
    assert text_of_sheet(tmp_path, page) == (
        "## Sheet\n\nSales 2024\n\n\\# in thousands\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n| sum |  |\n"
    )


def test_links_of_cells_keep_their_address(tmp_path: Path) -> None:
    page = sheet(["name", "site"], ["Li", "manual"], ["Wu", "https://example.org/w"])
    page["B2"].hyperlink = "https://example.org/m"
    page["B3"].hyperlink = "https://example.org/w"
    page["A3"].hyperlink = "#Sheet!A1"
    assert text_of_sheet(tmp_path, page).splitlines()[-2:] == [
        "| Li | [manual](https://example.org/m) |",
        "| Wu | https://example.org/w |",
    ]


def test_a_merged_cell_stands_once_and_the_others_are_empty(tmp_path: Path) -> None:
    page = sheet(["item", "2023", None], [None, "Q1", "Q2"], ["sales", 1, 2])
    page.merge_cells("B1:C1")
    page.merge_cells("A1:A2")
    assert text_of_sheet(tmp_path, page).splitlines()[2:] == [
        "| item | 2023 |  |",
        "| --- | --- | --- |",
        "|  | Q1 | Q2 |",
        "| sales | 1 | 2 |",
    ]


def test_pictures_notes_text_boxes_and_charts_stand_at_their_row(tmp_path: Path) -> None:
    page = sheet(["a", "b"], [1, 2], [], [], [], [], [], ["c", "d"], [3, 4])
    page.add_image(Image(io.BytesIO(PNG)), "A5")
    page["B2"].comment = Comment("checked by Li", "me")
    chart = BarChart()
    chart.title = "Sales"
    chart.add_data(Reference(page, min_col=2, min_row=1, max_row=2), titles_from_data=True)
    page.add_chart(chart, "A20")
    reading = read_bytes(tmp_path, saved(page.parent), "a.xlsx")
    order = ["| 1 | 2 |", "Note on B2: checked by Li", "](images/", "| 3 | 4 |", "Chart: Sales"]
    assert [reading.text.index(part) for part in order] == sorted(reading.text.index(part) for part in order)
    [image] = reading.images
    assert (image.media_type, image.size_bytes) == ("image/png", len(PNG))


def test_one_picture_on_two_sheets_is_kept_once_and_placed_twice(tmp_path: Path) -> None:
    page = sheet(["a", "b"])
    page.add_image(Image(io.BytesIO(PNG)), "A5")
    page.parent.create_sheet("Two").add_image(Image(io.BytesIO(PNG)), "A1")
    images = read_bytes(tmp_path, saved(page.parent), "a.xlsx").images
    assert len(images) == 2
    assert len({image.name for image in images}) == 1


def test_charts_of_newer_kinds_and_diagrams_stand_at_their_row(tmp_path: Path) -> None:
    def anchor(row: int, content: str) -> str:
        return (
            f"<x:twoCellAnchor><x:from><x:col>1</x:col><x:row>{row}</x:row></x:from>"
            f"<x:to><x:col>2</x:col><x:row>{row}</x:row></x:to>{content}<x:clientData/></x:twoCellAnchor>"
        )

    def frame(graphic: str) -> str:
        return f"<x:graphicFrame>{graphic}</x:graphicFrame>"

    def old(text: str) -> str:
        return f"<x:sp><x:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></x:txBody></x:sp>"

    drawing = (
        f'<x:wsDr xmlns:x="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" xmlns:a="{drawn.A}">'
        + anchor(3, drawn.either(frame(drawn.chart_element("r1")), old("not available")))
        + anchor(5, drawn.either(frame(drawn.chart_element("none")), old("see the file")))
        + anchor(7, frame(drawn.diagram_element("r2")))
        + "</x:wsDr>"
    )
    page = sheet(["a"])
    page.add_image(Image(io.BytesIO(PNG)), "B9")
    data = repacked(
        saved(page.parent),
        xl__drawings__drawing1_xml=drawing.encode(),
        **{
            "xl__drawings___rels__drawing1_xml.rels": (
                f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
                f'Type="{drawn.CHARTEX_RELATION}" Target="../charts/chartEx1.xml"/><Relationship Id="r2" '
                f'Type="{drawn.RELATIONS}/diagramData" Target="../diagrams/data1.xml"/></Relationships>'
            ).encode()
        },
        xl__charts__chartEx1_xml=drawn.WATERFALL.encode(),
        xl__diagrams__data1_xml=drawn.DIAGRAM_MODEL.encode(),
    )
    assert read_bytes(tmp_path, data, "a.xlsx").text == (
        "## Sheet\n\na\n\nChart: Cash: EUR m\n\nsee the file\n\n- Boss\n  - Clerk\n"
    )
