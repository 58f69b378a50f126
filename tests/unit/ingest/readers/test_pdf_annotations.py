from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfbase.pdfdoc import PDFArray, PDFDictionary, PDFName, PDFString
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from services.ingest.readers import ReadOptions
from tests.support.pdf_files import HEIGHT, LETTER, WIDTH, canvas_pdf, letter, lines, scan_page
from tests.unit.ingest.readers.pdf_readings import drawn, flow, read

STYLE = getSampleStyleSheet()["Normal"]


def annotate(canvas: Canvas, kind: str, box: tuple[float, ...], **more: object) -> None:
    entries = {"Type": PDFName("Annot"), "Subtype": PDFName(kind), "Rect": PDFArray(box), **more}
    canvas._addAnnotation(PDFDictionary(entries))


def test_words_that_lead_to_an_address_are_links(tmp_path: Path) -> None:
    story = [
        Paragraph(
            'The <link href="https://example.org/a(1)?x=1%7C2">price list</link> is on the web; write to '
            '<link href="mailto:anna@example.org">anna@example.org</link> or '
            '<link href="#here">go on</link>.<a name="here"/>',
            STYLE,
        )
    ]
    assert read(tmp_path, flow(story)).text == (
        "The [price list](<https://example.org/a(1)?x=1%7C2>) is on the web; write to anna@example.org or go on.\n"
    )


def test_a_link_over_two_lines_is_one_link(tmp_path: Path) -> None:
    words = "the history of all the roofs of the northern towns in the years before the war"
    text = f'Many readers who come to us have long asked for <link href="https://example.org">{words}</link> and more.'
    assert (
        f"for [{words}](https://example.org) and more." in read(tmp_path, flow([Paragraph(text, STYLE)])).text
    )


def test_links_in_a_table_stay_in_their_cells(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for row in range(3):
            lines(canvas, [f"Item {row}", "", ""][:1], 60, 700 - 20 * row)
            canvas.drawString(200, 700 - 20 * row, f"order {row}")
            canvas.drawString(330, 700 - 20 * row, f"{row}00")
            canvas.linkURL(f"https://example.org/{row}", (198, 696 - 20 * row, 250, 712 - 20 * row))
        canvas.grid([50, 190, 320, 420], [650, 675, 695, 715])

    assert "| Item 1 | [order 1](https://example.org/1) | 100 |" in drawn(tmp_path, draw)


def test_notes_stand_behind_the_line_that_they_are_beside(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, LETTER, 80, 690, 18)
        canvas.textAnnotation("Is this\nso?", (450, 672, 470, 690))
        annotate(canvas, "Text", (20, 648, 40, 668), Contents=PDFString("Who?"), T=PDFString("Anna Berg"))
        annotate(canvas, "Text", (20, 648, 40, 668), Contents=PDFString("unseen"), F=2)

    assert drawn(tmp_path, draw) == (
        f"{LETTER[0]} {LETTER[1]} [Comment: Is this so?] {LETTER[2]} [Comment of Anna Berg: Who?] {LETTER[3]}\n"
    )


def test_what_is_said_on_marked_words_stands_behind_them(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 10)
        canvas.drawString(80, 700, "The pump in your cellar is under warranty.")
        left, right = (
            80 + canvas.stringWidth(text, "Helvetica", 10)
            for text in ("The pump ", "The pump in your cellar")
        )
        box = (left, 698, right, 710)
        quads = PDFArray([left, 710, right, 710, left, 698, right, 698])
        annotate(canvas, "Highlight", box, QuadPoints=quads, Contents=PDFString("not in the attic?"))
        annotate(canvas, "Highlight", box, QuadPoints=quads, Contents=PDFString("in your cellar"))
        canvas.linkURL("https://example.org", box)

    assert drawn(tmp_path, draw) == (
        "The pump [in your cellar](https://example.org) [Comment: not in the attic?] is under warranty.\n"
    )


def test_a_text_box_is_read_where_it_stands(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 700, "Above the box.")
        annotate(canvas, "FreeText", (60, 560, 260, 600), Contents=PDFString("In the box."))
        canvas.drawString(60, 400, "Below the box.")

    assert drawn(tmp_path, draw).split("\n\n") == ["Above the box.", "In the box.", "Below the box.\n"]


def test_the_value_of_a_form_field_follows_its_label(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        for at, (label, value) in enumerate((("Name:", "Okafor"), ("Town:", "Kiel"))):
            canvas.drawString(60, 750 - 90 * at, label)
            canvas.acroForm.textfield(name=label, value=value, x=120, y=740 - 90 * at, width=200)

    text = drawn(tmp_path, draw)
    places = [text.index(word) for word in ("Name:", "Okafor", "Town:", "Kiel")]
    assert places == sorted(places)


def test_notes_on_a_scan_are_kept(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.textAnnotation("Paid in May.", (300, 600, 320, 620))
        scan_page(canvas, canvas_pdf(letter))

    text = read(tmp_path, canvas_pdf(draw), ReadOptions()).text
    assert "technician" in text
    assert text.endswith("\n\n[Comment: Paid in May.]\n")


@pytest.mark.parametrize("box", [(0, 0, WIDTH, HEIGHT), (-1e9, 1e9, 1e9, -1e9), (5, 5, 5, 5)])
def test_annotations_of_any_size_are_read(tmp_path: Path, box: tuple[float, ...]) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.drawString(60, 700, "Some words of a page.")
        annotate(canvas, "FreeText", box, Contents=PDFString("In the box."))
        annotate(canvas, "Text", box, Contents=PDFString("A note."))

    text = drawn(tmp_path, draw)
    assert all(part in text for part in ("Some words", "In the box.", "[Comment: A note.]"))
