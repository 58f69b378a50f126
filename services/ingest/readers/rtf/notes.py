"""Footnotes of an RTF: they go to Pandoc behind the text, as it puts a table before a footnote into the note.

Marks hold their places in the text, and say at the end which note is which.
"""

from __future__ import annotations

import re

from lxml import etree

from services.ingest.readers.shared.elements import Element

OPEN, CLOSE = "\ufdd3", "\ufdd4"
"""Stand around the number of a note."""
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")
REFERENCES = ".//a[@class='footnote-ref']"


def mark(number: int) -> str:
    """What holds the place of a note."""
    return f"{OPEN}{number}{CLOSE}"


def gathered(notes: list[bytes]) -> bytes:
    """The notes as paragraphs of RTF, for the end of the document."""
    if not notes:
        return b""
    # The first paragraph ends the table that may stand at the end of the text.
    parts = [b"\\par\\pard\\plain " + mark(0).encode() + b"\\par "]
    for number, note in enumerate(notes, 1):
        parts.append(b"\\pard\\plain " + mark(number).encode() + b"{\\footnote " + note + b"}\\par ")
    return b"".join(parts)


def put_back(page: Element) -> None:
    """Move the references to notes from the end of the text to their places, in place."""
    references: dict[str, Element] = {}
    for paragraph in [*page.iter("p")]:
        match = MARK.fullmatch(paragraph.text or "")
        found = paragraph.find(REFERENCES)
        # A note may be all that stands in a paragraph; that at the end comes last.
        if match and (found is not None or match[1] == "0"):
            if found is not None:
                found.tail = None
                references[match[1]] = found
            paragraph.getparent().remove(paragraph)
    for part in [*page.iter()]:
        for is_tail in (False, True):
            place_in(part, references, is_tail=is_tail)


def place_in(part: Element, references: dict[str, Element], *, is_tail: bool) -> None:
    """Put references in the place of their marks in the text of an element, or in the text behind it."""
    text = (part.tail if is_tail else part.text) or ""
    if OPEN not in text:
        return
    before, *rest = MARK.split(text)
    after = part
    if is_tail:
        part.tail = before
    else:
        part.text = before
    for at, (number, words) in enumerate(zip(rest[::2], rest[1::2], strict=True)):
        # Pandoc leaves empty notes out.
        reference = references.get(number)
        if reference is None:
            reference = etree.Element("span")
        reference.tail = words
        if at == 0 and not is_tail:
            part.insert(0, reference)
        else:
            after.addnext(reference)
        after = reference
