from __future__ import annotations

from pathlib import Path

import pptx
from lxml import etree
from pptx.opc.constants import RELATIONSHIP_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI
from pptx.util import Inches

from tests.support.read_files import read_bytes
from tests.unit.ingest.readers.decks import (
    BLANK,
    DRAWING,
    MATH,
    PML,
    TITLE,
    TITLE_AND_CONTENT,
    TITLE_ONLY,
    TWO_CONTENTS,
    box,
    saved,
    slide_of,
    text_of,
)


def test_each_slide_is_a_section_and_a_page_empty_and_hidden_ones_too(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    first = slide_of(deck, TITLE, "Quarterly report")
    first.placeholders[1].text = "A subtitle"
    slide_of(deck, BLANK)
    slide_of(deck, TITLE_ONLY, "Hidden")._element.set("show", "0")
    box(slide_of(deck, BLANK), "no title", 1, 1)
    reading = read_bytes(tmp_path, saved(deck), "a.pptx")
    assert reading.text == "## Quarterly report\n\nA subtitle\n\n## Hidden\n\nno title\n"
    assert len(reading.page_starts) == 4
    assert [reading.page_at(reading.text.index(word)) for word in ("subtitle", "Hidden", "no title")] == [
        1,
        3,
        4,
    ]


def test_a_title_of_two_lines_is_one_heading(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide_of(deck, TITLE_ONLY, "one\vtwo")
    assert text_of(tmp_path, deck) == "## one two\n"


def test_a_title_keeps_its_formulas_and_links(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    title = slide_of(deck, TITLE_ONLY, "Energy ").shapes.title.text_frame.paragraphs[0]
    title._p.append(
        etree.fromstring(
            f'<a14:m xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" xmlns:m="{MATH}"><m:oMath>'
            "<m:sSup><m:e><m:r><m:t>c</m:t></m:r></m:e><m:sup><m:r><m:t>2</m:t></m:r></m:sup></m:sSup></m:oMath></a14:m>"
        )
    )
    run = title.add_run()
    run.text, run.hyperlink.address = " explained", "https://example.org/energy"
    assert text_of(tmp_path, deck) == "## Energy $c^{2}$[ explained](https://example.org/energy)\n"


def test_bullets_keep_their_levels(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    frame = slide_of(deck, TITLE_AND_CONTENT, "List").placeholders[1].text_frame
    frame.text = "a"
    for text, level in (("b\vmore", 1), ("c", 2), ("", 0), ("d", 0)):
        paragraph = frame.add_paragraph()
        paragraph.text, paragraph.level = text, level
    assert text_of(tmp_path, deck) == "## List\n\n- a\n  - b\n    more\n    - c\n- d\n"


def test_numbers_count_and_paragraphs_without_bullet_are_none(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    frame = slide_of(deck, TITLE_AND_CONTENT).placeholders[1].text_frame
    frame.text = "intro"
    for text in ("first", "second"):
        frame.add_paragraph().text = text
    for paragraph, mark in zip(frame.paragraphs, ("buNone", "buAutoNum", "buAutoNum"), strict=True):
        etree.SubElement(paragraph._p.get_or_add_pPr(), f"{{{DRAWING}}}{mark}")
    assert text_of(tmp_path, deck) == "intro\n\n1. first\n2. second\n"


def test_a_list_counts_from_the_number_that_it_names(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    frame = slide_of(deck, TITLE_AND_CONTENT, "Steps").placeholders[1].text_frame
    for at, (text, start) in enumerate((("five", 5), ("six", 5), ("nine", 9), ("one", 0))):
        paragraph = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        paragraph.text = text
        number = etree.SubElement(
            paragraph._p.get_or_add_pPr(), f"{{{DRAWING}}}buAutoNum", type="arabicPeriod"
        )
        if start:
            number.set("startAt", str(start))
    assert text_of(tmp_path, deck) == "## Steps\n\n5. five\n6. six\n9. nine\n1. one\n"


def test_text_boxes_have_no_bullets_and_no_markdown_by_accident(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    box(slide_of(deck, BLANK), "# not a heading\n---", 1, 1)
    assert text_of(tmp_path, deck) == "\\# not a heading\n\n\\---\n"


def test_shapes_are_read_from_top_to_bottom_and_beside_each_other_from_left_to_right(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    for text, left, top in (
        ("five", 1, 5),
        ("two", 4, 1.0),
        ("one", 1, 1.1),
        ("four", 6, 3),
        ("three", 2, 3.05),
    ):
        box(slide, text, left, top)
    assert text_of(tmp_path, deck).split() == ["one", "two", "three", "four", "five"]


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TWO_CONTENTS, "Pros and cons")
    slide.placeholders[2].text = "con"
    slide.placeholders[1].text = "pro\npro too"
    assert text_of(tmp_path, deck) == "## Pros and cons\n\n- pro\n- pro too\n\n- con\n"


def test_groups_in_groups_are_read_in_their_place(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    box(slide, "below", 1, 6)
    group = slide.shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    for parent, text, top in ((inner, "inner", 3), (group, "outer", 2)):
        shape = parent.shapes.add_textbox(Inches(1), Inches(top), Inches(1), Inches(0.4))
        shape.text_frame.text = text
    assert text_of(tmp_path, deck).split() == ["outer", "inner", "below"]


def test_notes_and_comments_follow_their_slide(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "One")
    slide.notes_slide.notes_text_frame.text = "Say hello.\nThen wait."
    comments = f'<p:cmLst xmlns:p="{PML}"><p:cm><p:text>Too long?</p:text></p:cm></p:cmLst>'
    part = Part(
        PackURI("/ppt/comments/comment1.xml"), "application/xml", slide.part.package, comments.encode()
    )
    slide.part.relate_to(part, RELATIONSHIP_TYPE.COMMENTS)
    slide_of(deck, TITLE_ONLY, "Two")
    assert text_of(tmp_path, deck) == (
        "## One\n\nNotes: Say hello.\nThen wait.\n\nComment: Too long?\n\n## Two\n"
    )


def test_paragraphs_of_a_comment_stand_apart(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, TITLE_ONLY, "One")
    paragraphs = "".join(f"<a:p>{text}</a:p>" for text in (run("Too long") + run("?"), run("Cut it.")))
    comments = (
        f'<m:cmLst xmlns:m="http://schemas.microsoft.com/office/powerpoint/2018/8/main" xmlns:a="{DRAWING}">'
        f"<m:cm><m:txBody>{paragraphs}</m:txBody></m:cm></m:cmLst>"
    )
    part = Part(
        PackURI("/ppt/comments/comment1.xml"), "application/xml", slide.part.package, comments.encode()
    )
    slide.part.relate_to(part, RELATIONSHIP_TYPE.COMMENTS)
    assert text_of(tmp_path, deck) == "## One\n\nComment: Too long?\nCut it.\n"


def run(text: str) -> str:
    return f"<a:r><a:t>{text}</a:t></a:r>"


def test_links_keep_their_address(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    shape = box(slide_of(deck, BLANK), "see ", 1, 1)
    run = shape.text_frame.paragraphs[0].add_run()
    run.text = "the manual"
    run.hyperlink.address = "https://example.org/m"
    assert text_of(tmp_path, deck) == "see [the manual](https://example.org/m)\n"


def test_slide_numbers_are_no_text_but_other_fields_are(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = slide_of(deck, BLANK)
    for kind, text in (("sldNum", "17"), ("ftr", "Confidential")):
        shape = box(slide, text, 1, 7)
        place = shape._element.nvSpPr.nvPr
        etree.SubElement(place, f"{{{PML}}}ph", type=kind, idx="11")
    assert text_of(tmp_path, deck) == "Confidential\n"
