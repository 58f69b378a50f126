"""The text of an ODT before it goes to Pandoc: what Pandoc would leave out, put in plain OpenDocument.

Pandoc leaves out: fields, indexes, shapes, tables in tables, readings above words, numbers of headings, code
by its letters. Each function here mends one of these, in place. OpenDocument 1.3, part 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

from services.ingest.readers.odt.styles import OASIS, TEXT, HeadingNumbers, Styles
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.numerals import whole

OFFICE, DRAW, TABLE = OASIS % "office", OASIS % "drawing", OASIS % "table"
NOT_TEXT = (
    "tracked-changes soft-page-break sequence-decls variable-decls user-field-decls "
    "dde-connection-decls alphabetical-index-auto-mark-file table-of-content-source "
    "illustration-index-source table-index-source object-index-source user-index-source "
    "alphabetical-index-source bibliography-source bookmark bookmark-start bookmark-end "
    "reference-mark reference-mark-start reference-mark-end toc-mark toc-mark-start toc-mark-end "
    "alphabetical-index-mark alphabetical-index-mark-start alphabetical-index-mark-end change "
    "change-start change-end"
)
DROPPED = [
    *(f"{TEXT}{name}" for name in NOT_TEXT.split()),
    *(f"{OFFICE}{name}" for name in ("annotation-end", "forms")),
]
AROUND = (
    "table-of-content illustration-index table-index object-index user-index alphabetical-index bibliography "
    "index-body index-title numbered-paragraph ruby ruby-base meta meta-field"
)
WRAPPERS = [f"{TEXT}{name}" for name in AROUND.split()]
INLINE = {f"{TEXT}{name}" for name in ("p", "h", "span", "a")}
KEPT = {
    f"{TEXT}{name}" for name in ("span", "a", "s", "tab", "line-break", "note", "sequence", "p", "h", "list")
}
"""What Pandoc reads within a paragraph; other elements of the text are fields."""
BLOCKS = {f"{TEXT}p", f"{TEXT}h", f"{TEXT}list", f"{TABLE}table"}
PARTS = (f"{TEXT}p", f"{TEXT}h", f"{DRAW}frame")
"""What cells show."""
MOST_COLUMNS = 64
"""Up to how many cells of a row are written out for one that is repeated."""
CODE = "\ufdd1"
"""Stands at the start of each line of code until Pandoc is done."""
SPACE, LINE_END = "\ufdd0", "\ufdd2"
"""Stand for each space and line end of code, of which Pandoc would leave one space."""


def mend(content: Element, styles: Styles) -> None:
    """Mend a text in place."""
    etree.strip_elements(content, *DROPPED, with_tail=False)
    write_comments(content)
    for above in list(content.iter(f"{TEXT}ruby-text")):
        words = "".join(above.itertext())
        tail = above.tail
        above.clear()
        above.tag, above.text, above.tail = f"{TEXT}span", f"({words})" if words else "", tail
    etree.strip_tags(content, *WRAPPERS)
    free_boxes(content)
    for row in content.iter(f"{TABLE}table-row"):
        write_repeated(row)
    for table in reversed(list(content.iter(f"{TABLE}table"))):
        if next(table.iterancestors(f"{TABLE}table-cell"), None) is not None:
            flatten(table)
    free_headings(content)
    numbers = HeadingNumbers(styles)
    for paragraph in content.iter(f"{TEXT}p", f"{TEXT}h"):
        mend_paragraph(paragraph, styles, numbers)


def write_comments(content: Element) -> None:
    """Write each comment where it is anchored; behind the heading if in one."""
    for note in list(content.iter(f"{OFFICE}annotation")):
        words = " ".join("".join(map(typed, paragraph.iter())) for paragraph in note.iter(f"{TEXT}p"))
        said = markdown.comment(note.findtext("{*}creator") or "", words)
        heading = next(note.iterancestors(f"{TEXT}h"), None)
        tail = note.tail
        note.clear()
        if heading is not None and said:
            paragraph = etree.Element(f"{TEXT}p")
            paragraph.text = said
            heading.addnext(paragraph)
            said = ""
        in_line = note.getparent().tag in INLINE
        note.tag, note.text, note.tail = (
            f"{TEXT}{'span' if in_line else 'p'}",
            f" {said}" if said else "",
            tail,
        )


def free_boxes(content: Element) -> None:
    """Put the paragraphs of text boxes and shapes behind the paragraph where they are anchored."""
    for box in reversed(list(content.iter(f"{DRAW}*"))):
        blocks = [block for block in box if block.tag in BLOCKS]
        if not blocks:
            continue
        anchor = next(box.iterancestors(f"{TEXT}p", f"{TEXT}h"), None)
        if anchor is None:
            anchor = [box, *box.iterancestors(f"{DRAW}*")][-1]
        for block in reversed(blocks):
            block.tail = None
            anchor.addnext(block)


def write_repeated(row: Element) -> None:
    """Write out cells that are repeated, of which Pandoc reads one; not the empty rest of a row."""
    name = f"{TABLE}number-columns-repeated"
    cells = list(row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"))
    count = len(cells)
    for cell in cells:
        times = min(whole(cell.attrib.pop(name, None), 1), 1 + max(0, MOST_COLUMNS - count))
        if cell is cells[-1] and len(cell) == 0:
            continue
        for _ in range(times - 1):
            cell.addnext(deepcopy(cell))
        count += max(0, times - 1)


def flatten(table: Element) -> None:
    """Make a table within a cell paragraphs, one a row: Pandoc leaves it out."""
    for row in table.iter(f"{TABLE}table-row"):
        line = etree.Element(f"{TEXT}p")
        for cell in row.iterchildren(f"{TABLE}table-cell"):
            between = " | "
            for part in list(parts_of(cell)):
                if len(line):
                    line[-1].tail = between
                line.append(part)
                between = " "
        table.addprevious(line)
    table.getparent().remove(table)


def parts_of(cell: Element) -> Iterator[Element]:
    """The paragraphs and pictures of a cell that show something, made such as may stand within a line."""
    for part in list(cell.iter(*PARTS)):
        if next((one for one in part.iterancestors(*PARTS, f"{TABLE}table-cell")), None) is not cell:
            continue
        part.tail = None
        if part.tag in BLOCKS:
            part.tag = f"{TEXT}span"
            part.attrib.clear()
        for line_end in part.iter(f"{TEXT}line-break"):
            line_end.tag = f"{TEXT}s"
        if "".join(part.itertext()).strip() or next(part.iter(f"{DRAW}*"), None) is not None:
            yield part


def free_headings(content: Element) -> None:
    """Take headings out of the lists that only number them."""
    for heading in list(content.iter(f"{TEXT}h")):
        lists = list(heading.iterancestors(f"{TEXT}list"))
        if lists:
            heading.tail = None
            lists[-1].addprevious(heading)
            if next(lists[-1].iter(f"{TEXT}p", f"{TEXT}h"), None) is None:
                lists[-1].getparent().remove(lists[-1])


def mend_paragraph(paragraph: Element, styles: Styles, numbers: HeadingNumbers) -> None:
    """Write out fields and numbers; mark titles and code."""
    for part in paragraph.iterdescendants(f"{TEXT}*"):
        if part.tag == f"{TEXT}number":
            part.tail = " " + (part.tail or "")
        if part.tag not in KEPT and part.getparent().tag in INLINE:
            part.tag = f"{TEXT}span"
    style = paragraph.get(f"{TEXT}style-name")
    if paragraph.tag == f"{TEXT}p" and styles.is_a(style, "Title"):
        paragraph.tag = f"{TEXT}h"
        paragraph.set(f"{TEXT}outline-level", "1")
    elif paragraph.tag == f"{TEXT}h":
        number = numbers.number(whole(paragraph.get(f"{TEXT}outline-level"), 1))
        if number and paragraph.find(f"{TEXT}number") is None:
            paragraph.text = f"{number} {paragraph.text or ''}"
    elif styles.is_code(style) and next(paragraph.iter(f"{DRAW}frame", f"{TEXT}note"), None) is None:
        code = "".join(map(typed, paragraph.iter()))
        for part in list(paragraph):
            paragraph.remove(part)
        paragraph.text = CODE + code.replace(" ", SPACE).replace("\n", LINE_END)


def typed(part: Element) -> str:
    """What a part of a paragraph and what follows it were typed as."""
    said = {"s": " " * whole(part.get(f"{TEXT}c"), 1), "tab": "\t", "line-break": "\n"}
    shown = said.get(etree.QName(part).localname, part.text or "")
    return shown + ((part.tail or "") if part.tag not in {f"{TEXT}p", f"{TEXT}h"} else "")
