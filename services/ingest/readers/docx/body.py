"""The body of a DOCX before it goes to Pandoc: what Pandoc would leave out, put in plain WordprocessingML.

Pandoc reads text, tables, notes and formulas well. It leaves out: the numbers of headings and clauses, the
paragraph around a text box, results of fields, readings above words, titles; it knows headings by few names
of styles. Each function here mends one of these, in place.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from services.ingest.readers.docx.comments import write_comments
from services.ingest.readers.docx.fields import free_fields
from services.ingest.readers.docx.numbering import Numbering
from services.ingest.readers.docx.paragraphs import Lists, mend_paragraph, text_element
from services.ingest.readers.docx.styles import Styles
from services.ingest.readers.docx.tables import even_rows
from services.ingest.readers.shared.drawing_text import words_in
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import MC, PIC, WP, A, M, R, W

V = "{urn:schemas-microsoft-com:vml}"

AROUND = "ins moveTo smartTag customXml sdt sdtContent fldSimple dir bdo"
WRAPPERS = [f"{W}{name}" for name in AROUND.split()]
"""What is around text without being part of it."""
NOT_TEXT = (
    "del moveFrom sdtPr sdtEndPr smartTagPr customXmlPr proofErr softHyphen lastRenderedPageBreak "
    "commentRangeStart commentRangeEnd commentReference moveFromRangeStart moveFromRangeEnd "
    "moveToRangeStart moveToRangeEnd permStart permEnd annotationRef"
)
DROPPED = [f"{W}{name}" for name in NOT_TEXT.split()]
FORMATTING = (
    "tcW tcBorders tcMar shd vAlign textDirection noWrap tblBorders tblCellMar tblW tblLayout tblInd "
    "trHeight cantSplit jc spacing keepNext keepLines pageBreakBefore widowControl pBdr tabs snapToGrid "
    "adjustRightInd autoSpaceDE autoSpaceDN overflowPunct wordWrap kinsoku contextualSpacing sectPr "
    "pPrChange rPrChange tblPrChange trPrChange tcPrChange sectPrChange numberingChange rFonts sz szCs "
    "lang color kern position noProof highlight bdr effect em eastAsianLayout w fitText u cs rtl "
    "bookmarkStart bookmarkEnd"
)
LOOKS = [f"{W}{name}" for name in FORMATTING.split()]
"""What changes only how text looks; without it Pandoc has less to read."""
SPACE = "\ufdd0"
"""Stands for a space until Pandoc is done: a run of one word takes it half the time of one of many."""


def mend(
    body: Element, styles: Styles, numbering: Numbering, lists: Lists, comments: Mapping[str, str]
) -> None:
    """Mend a body, or a note, in place."""
    choose_alternatives(body)
    free_fields(body)
    for row in list(body.iter(f"{W}tr")):
        if row.find(f"{W}trPr/{W}del") is not None:
            row.getparent().remove(row)
    join_paragraphs(body)
    write_comments(body, comments)
    etree.strip_elements(body, *DROPPED, with_tail=False)
    etree.strip_tags(body, *WRAPPERS)
    even_rows(body)
    write_readings(body)
    write_symbols(body)
    draw_plainly(body)
    free_text_boxes(body)
    for indent in list(body.iter(f"{W}ind")):
        indent.getparent().remove(indent)
    code_known = not styles.default.monospaced
    for paragraph in body.iter(f"{W}p"):
        mend_paragraph(paragraph, styles, numbering, lists, code_known)
    etree.strip_elements(body, *LOOKS, with_tail=False)
    for text in body.iter(f"{W}t"):
        if text.text:
            text.text = text.text.replace(" ", SPACE)


def choose_alternatives(body: Element) -> None:
    """Keep of each alternative the newer side, unless only the older one has the picture."""
    for choice in list(body.iter(f"{MC}AlternateContent")):
        sides = [side for side in choice if side.tag in {f"{MC}Choice", f"{MC}Fallback"}]
        kept = next((side for side in sides if says_something(side)), sides[0] if sides else None)
        if kept is not None:
            for element in list(kept):
                choice.addprevious(element)
        choice.getparent().remove(choice)


def says_something(side: Element) -> bool:
    """Whether an alternative holds text or a picture."""
    return (
        next(side.iter(f"{W}t", f"{A}t", f"{A}blip", f"{V}imagedata", f"{V}textpath", f"{M}t"), None)
        is not None
    )


def write_readings(body: Element) -> None:
    """Write what stands above words behind them, in parentheses."""
    for ruby in list(body.iter(f"{W}ruby")):
        word, above = (
            "".join(
                text.text or "" for part in ruby.iterchildren(f"{W}{name}") for text in part.iter(f"{W}t")
            )
            for name in ("rubyBase", "rt")
        )
        ruby.addprevious(text_element(f"{word}({above})" if above else word))
        ruby.getparent().remove(ruby)


def write_symbols(body: Element) -> None:
    """Write hyphens, tabs and line ends as people type them."""
    for hyphen in list(body.iter(f"{W}noBreakHyphen")):
        hyphen.addprevious(text_element("-"))
        hyphen.getparent().remove(hyphen)
    for tab in body.iter(f"{W}ptab"):
        tab.tag = f"{W}tab"
    for line_end in body.iter(f"{W}cr"):
        line_end.tag = f"{W}br"


def draw_plainly(body: Element) -> None:
    """Leave of a drawing its pictures, each in the one way that Pandoc knows, and its text boxes."""
    for drawing in list(body.iter(f"{W}drawing", f"{W}pict", f"{W}object")):
        named = next((part for part in drawing.iter() if part.get("descr")), None)
        words = named.get("descr", "") if named is not None else ""
        pictures = [blip.get(f"{R}embed") for blip in drawing.iter(f"{A}blip")]
        pictures += [shape.get(f"{R}id") for shape in drawing.iter(f"{V}imagedata")]
        for picture in pictures:
            if picture:
                drawing.addprevious(picture_element(picture, words))
        boxes = list(drawing.iter(f"{W}txbxContent"))
        plain = " ".join(filter(None, map(words_in, drawing.iter(f"{A}p"))))
        if plain:
            drawing.addprevious(text_element(plain))
        for art in drawing.iter(f"{V}textpath"):
            if art.get("string"):
                drawing.addprevious(text_element(art.get("string", "")))
        if not boxes:
            drawing.getparent().remove(drawing)


def picture_element(picture: str, words: str) -> Element:
    """A picture within a line."""
    drawing = etree.Element(f"{W}drawing")
    inline = etree.SubElement(drawing, f"{WP}inline")
    etree.SubElement(inline, f"{WP}docPr", id="1", name="picture", descr=words)
    data = etree.SubElement(etree.SubElement(inline, f"{A}graphic"), f"{A}graphicData", uri=PIC.strip("{}"))
    fill = etree.SubElement(etree.SubElement(data, f"{PIC}pic"), f"{PIC}blipFill")
    etree.SubElement(fill, f"{A}blip").set(f"{R}embed", picture)
    return drawing


def free_text_boxes(body: Element) -> None:
    """Put the paragraphs of each text box behind the paragraph where it is anchored."""
    for box in reversed(list(body.iter(f"{W}txbxContent"))):
        anchor = next(box.iterancestors(f"{W}p"), None)
        if anchor is None:
            continue
        for block in reversed(list(box)):
            anchor.addnext(block)
        box.getparent().remove(box)
    for drawing in list(body.iter(f"{W}drawing", f"{W}pict", f"{W}object")):
        if next(drawing.iter(f"{A}blip"), None) is None:
            drawing.getparent().remove(drawing)


def join_paragraphs(body: Element) -> None:
    """Join paragraphs whose end was deleted with the next ones."""
    for paragraph in list(body.iter(f"{W}p")):
        mark = paragraph.find(f"{W}pPr/{W}rPr/{W}del")
        following = paragraph.getnext()
        if mark is None or following is None or following.tag != f"{W}p":
            continue
        place = 1 if following.find(f"{W}pPr") is not None else 0
        content = [part for part in paragraph if part.tag != f"{W}pPr"]
        following[place:place] = content
        paragraph.getparent().remove(paragraph)
