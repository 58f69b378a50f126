"""The paragraphs of a DOCX, each given a style that Pandoc knows: headings, items, code, quotations."""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from services.ingest.readers.docx.numbering import Label, Numbering
from services.ingest.readers.docx.styles import (
    MOST_HEADING,
    Style,
    Styles,
    is_monospaced,
    numbering_in,
    outline_in,
    value,
)
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import M, W

XML_SPACE = "{http://www.w3.org/XML/1998/namespace}space"

HEADING_STYLE = "sishuHeading"
CODE_STYLE = "sishuCode"
CODE_LETTERS = "sishuCodeLetters"
QUOTE_STYLE = "sishuQuote"
COMMENT = "sishuComment"
"""Attribute of runs that hold a comment."""
BULLETS = "1"
"""Id of the one list of bullets that is left."""


class Lists:
    """The lists of a document as Pandoc shall see them: bullets, and plain numbers with the right start."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, int, int]] = []
        self._running: dict[int, tuple[str, int]] = {}

    def end(self) -> None:
        """Something stands between two items."""
        self._running.clear()

    def of(self, label: Label, depth: int) -> str:
        """The list that an item belongs to."""
        for deeper in [place for place in self._running if place > depth]:
            del self._running[deeper]
        if not label.number:
            self._running[depth] = (BULLETS, 0)
            return BULLETS
        identity, last = self._running.get(depth, (BULLETS, 0))
        if identity == BULLETS or last + 1 != label.number:
            identity = str(len(self.starts) + 2)
            self.starts.append((identity, depth, label.number))
        self._running[depth] = (identity, label.number)
        return identity


def text_element(text: str) -> Element:
    """A piece of text of a run."""
    element = etree.Element(f"{W}t")
    element.text = text
    element.set(XML_SPACE, "preserve")
    return element


def mend_paragraph(
    paragraph: Element, styles: Styles, numbering: Numbering, lists: Lists, code_known: bool
) -> None:
    """Give a paragraph a style that Pandoc knows, and write its number where Pandoc would not."""
    properties = paragraph.find(f"{W}pPr")
    if properties is None:
        properties = etree.Element(f"{W}pPr")
        paragraph.insert(0, properties)
    style = style_taken(properties, styles)
    wanted, level = style.numbering, style.level
    in_table = next(paragraph.iterancestors(f"{W}tc"), None) is not None
    has_text = next(paragraph.iter(f"{W}t", f"{M}t"), None) is not None
    label = numbering.label(wanted, level) if wanted and wanted != "0" and holds(paragraph) else None
    if style.heading and has_text and not in_table:
        set_comments_apart(paragraph)
        set_style(properties, f"{HEADING_STYLE}{min(style.heading, MOST_HEADING)}")
        lists.end()
        if label is not None:
            write_label(paragraph, label.text)
        return
    if label is not None and (label.bullet or label.number or label.text):
        number_paragraph(paragraph, properties, label, level + style.depth, lists)
        return
    if has_text:
        lists.end()
    if style.code or (code_known and is_code(paragraph, style, styles)):
        set_style(properties, CODE_STYLE)
        for run in paragraph.iter(f"{W}rPr"):
            run.clear()
        return
    if style.quote:
        set_style(properties, QUOTE_STYLE)
    if code_known and not style.monospaced:
        mark_code(paragraph, styles)


def set_comments_apart(heading: Element) -> None:
    """Put the comments on a heading into a paragraph behind it."""
    comments = [run for run in heading.iter(f"{W}r") if run.get(COMMENT)]
    if comments:
        paragraph = etree.Element(f"{W}p")
        paragraph.extend(comments)
        heading.addnext(paragraph)


def style_taken(properties: Element, styles: Styles) -> Style:
    """The style of a paragraph with what the paragraph says beside it; both are taken out of it."""
    style = styles.of(value(properties.find(f"{W}pStyle")))
    own_list, own_level = numbering_in(properties)
    outline = outline_in(properties)
    for name in ("numPr", "pStyle", "outlineLvl"):
        found = properties.find(f"{W}{name}")
        if found is not None:
            properties.remove(found)
    return replace(
        style,
        numbering=style.numbering if own_list is None else own_list,
        level=style.level if own_level is None else own_level,
        heading=style.heading if outline is None else outline,
    )


def holds(paragraph: Element) -> bool:
    """Whether a paragraph shows anything; the number of an empty one says nothing."""
    return next(paragraph.iter(f"{W}r", f"{M}t"), None) is not None


def number_paragraph(paragraph: Element, properties: Element, label: Label, depth: int, lists: Lists) -> None:
    """Make a paragraph an item, or write its number into it."""
    if not label.number:
        write_label(paragraph, label.text)
    if label.phrase:
        lists.end()
        return
    numbering = etree.SubElement(properties, f"{W}numPr")
    etree.SubElement(numbering, f"{W}ilvl").set(f"{W}val", str(min(depth, 8)))
    etree.SubElement(numbering, f"{W}numId").set(f"{W}val", lists.of(label, depth))


def write_label(paragraph: Element, label: str) -> None:
    """Write what Word shows before a paragraph into it."""
    if label:
        run = etree.Element(f"{W}r")
        run.append(text_element(label))
        paragraph.insert(1, run)


def set_style(properties: Element, style: str) -> None:
    """Give a paragraph a style."""
    element = etree.Element(f"{W}pStyle")
    element.set(f"{W}val", style)
    properties.insert(0, element)


def letters_of(run: Element, styles: Styles) -> bool | None:
    """Whether a run is set in letters of one width; none if it says nothing of it."""
    properties = run.find(f"{W}rPr")
    if properties is None:
        return None
    own = is_monospaced(properties)
    named = value(properties.find(f"{W}rStyle"))
    return styles.by_id.get(named, Style()).monospaced if own is None and named else own


def is_code(paragraph: Element, style: Style, styles: Styles) -> bool:
    """Whether all words of a paragraph are set in letters of one width."""
    runs = [
        run
        for run in paragraph.iter(f"{W}r")
        if not run.get(COMMENT) and any((text.text or "").strip() for text in run.iter(f"{W}t"))
    ]
    if not runs:
        return False
    return all(style.monospaced if own is None else own for own in (letters_of(run, styles) for run in runs))


def mark_code(paragraph: Element, styles: Styles) -> None:
    """Mark the runs in letters of one width as code."""
    for run in paragraph.iter(f"{W}r"):
        if letters_of(run, styles) and run.find(f"{W}t") is not None:
            properties = run.find(f"{W}rPr")
            properties.clear()
            etree.SubElement(properties, f"{W}rStyle").set(f"{W}val", CODE_LETTERS)
