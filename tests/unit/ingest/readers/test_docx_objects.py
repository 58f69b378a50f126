from __future__ import annotations

import base64
import io
from pathlib import Path

from docx.document import Document
from docx.oxml import parse_xml

from tests.unit.ingest.readers import drawn, word
from tests.unit.ingest.readers.docx_readings import NAME, text_of
from tests.unit.ingest.readers.readings import png, read


def test_pictures_keep_their_place_and_their_words(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("before")
        document.add_picture(io.BytesIO(png()))
        document.element.body.find(".//{*}docPr").set("descr", "a red square")
        document.add_paragraph("between")
        table = document.add_table(1, 2)
        table.cell(0, 0).text = "x"
        table.cell(0, 1).paragraphs[0].add_run().add_picture(io.BytesIO(png(3)))

    reading = read(tmp_path, word.made(write), NAME)
    square, cell = reading.images
    assert reading.text == (
        f"before\n\n![a red square](images/{square.name})\n\nbetween\n\n| x | ![](images/{cell.name}) |\n| --- | --- |\n"
    )
    assert (tmp_path / "images" / square.name).read_bytes() == png()
    assert square.media_type == "image/png"


def test_charts_and_diagrams_say_what_they_show(tmp_path: Path) -> None:
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    def drawn(document: Document, name: str, xml: str, element: str) -> None:
        part = Part(PackURI(f"/word/{name}.xml"), "application/xml", xml.encode(), document.part.package)
        identity = document.part.relate_to(part, f"{word.RELATIONSHIPS}/{name}")
        graphic = f'<a:graphic><a:graphicData uri="x">{element.format(identity)}</a:graphicData></a:graphic>'
        word.add(
            document.add_paragraph("before"),
            f"<w:r><w:drawing><wp:inline>{graphic}</wp:inline></w:drawing></w:r>",
        )

    def points(*values: str) -> str:
        inner = "".join(f'<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>' for at, value in enumerate(values))
        return f"<c:strRef><c:strCache>{inner}</c:strCache></c:strRef>"

    chart = (
        '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><a:t>Sales</a:t></c:title>'
        f"<c:ser><c:tx>{points('2025')}</c:tx><c:cat>{points('North', 'South')}</c:cat>"
        f"<c:val>{points('1.5', '2')}</c:val></c:ser></c:chart></c:chartSpace>"
    )
    diagram = (
        '<d:dataModel xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><d:ptLst><d:pt modelId="1"><a:t>Boss</a:t></d:pt>'
        '<d:pt modelId="2"><a:t>Clerk</a:t></d:pt></d:ptLst><d:cxnLst><d:cxn srcId="1" destId="2" srcOrd="0"/></d:cxnLst></d:dataModel>'
    )

    def write(document: Document) -> None:
        drawn(
            document,
            "chart",
            chart,
            '<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" r:id="{}"/>',
        )
        drawn(
            document,
            "data",
            diagram,
            '<d:relIds xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/diagram" r:dm="{}"/>',
        )
        document.add_paragraph("after")

    assert text_of(tmp_path, write) == (
        "before\n\nChart: Sales\n\n|  | 2025 |\n| --- | --- |\n| North | 1.5 |\n| South | 2 |\n\n"
        "before\n\n- Boss\n  - Clerk\n\nafter\n"
    )


def test_notes_stand_at_the_end_under_their_numbers(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        word.with_notes(
            document,
            "The first.",
            f"<w:p>{word.run('The ')}{word.FRACTION}</w:p><w:p>{word.run('More.')}</w:p>",
        )
        word.with_notes(document, "The end.", kind="endnotes")
        paragraph = document.add_paragraph("One")
        for xml in (
            word.note(2),
            word.run(" two"),
            word.note(1),
            word.run(" three"),
            word.note(1, "endnote"),
        ):
            word.add(paragraph, xml)

    assert text_of(tmp_path, write) == (
        "One[^1] two[^2] three[^3]\n\n[^1]: The $\\frac{a + b}{c^{2}}$\n\n    More.\n\n[^2]: The first.\n\n[^3]: The end.\n"
    )


def test_equations_become_latex(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        word.add(document.add_paragraph("so "), word.FRACTION)
        word.add(document.add_paragraph(), word.SUM)

    assert text_of(tmp_path, write) == "so $\\frac{a + b}{c^{2}}$\n\n$$\\sum_{i = 1}^{n}i$$\n"


def test_the_paragraph_of_a_text_box_and_the_box_are_both_there_once(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        paragraph = document.add_paragraph("anchor ")
        word.add(paragraph, word.text_box("In the box", "and below"))
        word.add(paragraph, word.run("goes on"))

    assert text_of(tmp_path, write) == "anchor goes on\n\nIn the box\n\nand below\n"


def inserted(document: Document, name: str, data: bytes | str, kind: str = "text/html") -> None:
    """Insert a file into the body as it is."""
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    whole = data.encode() if isinstance(data, str) else data
    part = Part(PackURI(f"/word/{name}"), kind, whole, document.part.package)
    identity = document.part.relate_to(part, f"{word.RELATIONSHIPS}/aFChunk")
    chunk = f'<w:altChunk {word.SPACES} r:id="{identity}"/>'
    document.element.body.insert(len(document.element.body) - 1, parse_xml(chunk))


def test_inserted_pages_documents_and_saved_mails_are_read_in_place(tmp_path: Path) -> None:
    def inner(document: Document) -> None:
        document.add_heading("Annex", 2)
        word.with_notes(document, "inner note")
        word.add(document.add_paragraph("of the inner document"), word.note(1))
        document.add_picture(io.BytesIO(png()))

    mail = (
        "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=Q\r\n\r\n--Q\r\n"
        "Content-Type: text/html; charset=utf-8\r\nContent-Location: file:///C:/1/a.htm\r\n\r\n"
        "<p>CLAUSE FIVE 第五条 <img src='a_files/b.png'></p>\r\n--Q\r\nContent-Type: image/png\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Location: file:///C:/1/a_files/b.png\r\n\r\n"
        f"{base64.b64encode(png(3)).decode()}\r\n--Q--"
    )

    def write(document: Document) -> None:
        document.add_paragraph("before")
        word.with_notes(document, "outer note")
        inserted(document, "a.mht", mail, "message/rfc822")
        word.add(document.add_paragraph("between"), word.note(1))
        inserted(document, "b.htm", "<html><body><h2>Terms</h2><ul><li>one</li></ul></body></html>")
        inserted(document, "c.docx", word.made(inner), "application/x")
        inserted(document, "d.rtf", r"{\rtf1 rich {\b text}\par}", "application/rtf")
        document.add_paragraph("after")

    reading = read(tmp_path, word.made(write), NAME)
    of_mail, of_inner = reading.images
    assert reading.text == (
        f"before\n\nCLAUSE FIVE 第五条 ![](images/{of_mail.name})\n\nbetween[^1]\n\n## Terms\n\n- one\n\n"
        f"## Annex\n\nof the inner document[^inserted-3-1]\n\n![](images/{of_inner.name})\n\n"
        "[^inserted-3-1]: inner note\n\nrich **text**\n\nafter\n\n[^1]: outer note\n"
    )
    assert [child.name for child in tmp_path.iterdir() if child.is_dir()] == ["images"]


def test_an_inserted_file_that_cannot_be_read_says_so_in_its_place(tmp_path: Path) -> None:
    def write(document: Document) -> None:
        document.add_paragraph("before")
        inserted(document, "a.docx", b"PK\x03\x04 no archive", "application/x")
        inserted(document, "b.bin", b"\x00\x01\x02", "application/x")
        chunk = parse_xml(f'<w:altChunk {word.SPACES} r:id="none"/>')
        document.element.body.insert(len(document.element.body) - 1, chunk)
        document.add_paragraph("after")

    before, damaged, unknown, absent, after = text_of(tmp_path, write).strip().split("\n\n")
    assert (before, after) == ("before", "after")
    assert damaged.startswith("[Not read: a.docx: the DOCX file cannot be read (")
    assert unknown == "[Not read: b.bin: an inserted file of this kind is not read]"
    assert absent == "[Not read: a file without a name: the file that belongs here is not in the document]"


def test_documents_inserted_in_documents_are_read_three_deep(tmp_path: Path) -> None:
    def around(data: bytes, depth: int) -> bytes:
        def write(document: Document) -> None:
            document.add_paragraph(f"depth {depth}")
            inserted(document, "a.docx", data, "application/x")

        return word.made(write)

    data = word.made(lambda document: document.add_paragraph("deepest"))
    for depth in (3, 2, 1, 0):
        data = around(data, depth)
    text = read(tmp_path, data, NAME).text
    assert text.startswith("depth 0\n\ndepth 1\n\ndepth 2\n\ndepth 3\n\n[Not read: a.docx: ")
    assert "deepest" not in text


def related(document: Document, name: str, xml: str) -> str:
    """Give a document a part; return the id by which it refers to it."""
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    part = Part(PackURI(f"/word/{name}.xml"), "application/xml", xml.encode(), document.part.package)
    return document.part.relate_to(part, f"{word.RELATIONSHIPS}/{name}")


def test_a_chart_of_a_newer_kind_is_its_data_or_else_what_stands_for_it(tmp_path: Path) -> None:
    def drawing(identity: str) -> str:
        return f"<w:drawing><wp:inline>{drawn.chart_element(identity)}</wp:inline></w:drawing>"

    def write(document: Document) -> None:
        identity = related(document, "chartEx", drawn.WATERFALL)
        for each, old in ((identity, "not available"), ("none", "see the file")):
            fallback = f"<w:t>{old}</w:t>"
            word.add(document.add_paragraph("so "), f"<w:r>{drawn.either(drawing(each), fallback)}</w:r>")

    assert text_of(tmp_path, write) == f"so\n\n{drawn.WATERFALL_TEXT}\nso see the file\n"


def test_a_chart_in_a_cell_keeps_its_data_in_one_line(tmp_path: Path) -> None:
    chart = (
        f'<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="{drawn.A}"><c:chart>'
        "<c:title><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:title><c:ser><c:tx><c:v>a|b</c:v></c:tx>"
        '<c:cat><c:pt idx="0"><c:v>North</c:v></c:pt><c:pt idx="1"><c:v>South</c:v></c:pt></c:cat>'
        '<c:val><c:pt idx="0"><c:v>1.5</c:v></c:pt><c:pt idx="1"><c:v>2</c:v></c:pt></c:val></c:ser><c:ser>'
        '<c:val><c:pt idx="1"><c:v>7</c:v></c:pt></c:val></c:ser></c:chart></c:chartSpace>'
    )

    def write(document: Document) -> None:
        identity = related(document, "chart", chart)
        table = document.add_table(1, 2)
        table.cell(0, 1).text = "beside"
        element = (
            f'<c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" r:id="{identity}"/>'
        )
        word.add(table.cell(0, 0).paragraphs[0], f"<w:r><w:drawing>{element}</w:drawing></w:r>")

    assert text_of(tmp_path, write) == (
        "| Chart: Sales: a\\|b: North 1.5, South 2; South 7 | beside |\n| --- | --- |\n"
    )
