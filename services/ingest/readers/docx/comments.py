"""Comments of a DOCX, which Pandoc leaves out: written into the text where they are anchored."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from services.ingest.readers.docx.paragraphs import COMMENT, text_element
from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import W

SPACES = {f"{W}tab", f"{W}br", f"{W}cr"}


def comments_of(root: Element | None) -> Mapping[str, str]:
    """The comments of `comments.xml` as they stand in the text, by id (ISO/IEC 29500-1, 17.13.4)."""
    found = {}
    for comment in root.iterchildren(f"{W}comment") if root is not None else ():
        words = " ".join(map(words_of, comment.iter(f"{W}p")))
        found[comment.get(f"{W}id", "")] = markdown.comment(comment.get(f"{W}author", ""), words)
    return found


def words_of(paragraph: Element) -> str:
    """The text of a paragraph."""
    parts = paragraph.iter(f"{W}t", *SPACES)
    return "".join(" " if part.tag in SPACES else part.text or "" for part in parts)


def write_comments(body: Element, comments: Mapping[str, str]) -> None:
    """Write each comment behind what it is on, in place."""
    for mark in list(body.iter(f"{W}commentReference")):
        said, anchor = comments.get(mark.get(f"{W}id", "")), mark.getparent()
        if said and anchor.tag == f"{W}r":
            run = etree.Element(f"{W}r")
            run.set(COMMENT, "1")
            run.append(text_element(f" {said}"))
            anchor.addnext(run)
