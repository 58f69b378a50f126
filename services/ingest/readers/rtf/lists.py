"""The paragraphs of an RTF that Word shows with a number or a bullet, as lists."""

from __future__ import annotations

import re

from lxml import etree

from services.ingest.readers.rtf.source import LABEL, LABEL_END
from services.ingest.readers.shared.elements import Element

ITEM = re.compile(f"{LABEL}([0-8])([^{LABEL_END}]*){LABEL_END}")
NUMBER = re.compile(r"(\d{1,9})[.)．）]?")
PHRASE = re.compile(r"\w\W+\w|\w{3,}")
"""Several numbers, or words: what no list counts with."""


def find_items(page: Element) -> None:
    """Make lists of the paragraphs with a label, in place; labels that no list has stay as words."""
    open_lists: list[tuple[int, Element]] = []
    last: Element | None = None
    for paragraph in list(page.iter("p", "h1", "h2", "h3", "h4", "h5", "h6")):
        match = next(filter(None, (ITEM.search(text) for text in first_texts(paragraph))), None)
        if match is None:
            continue
        depth, label = int(match[1]), match[2].strip()
        said = label if any(letter.isalnum() for letter in label) else ""
        number = NUMBER.fullmatch(said)
        if paragraph.tag != "p" or PHRASE.search(said):
            replace_label(paragraph, f"{said} " if said else "")
            last = None
            continue
        replace_label(paragraph, "" if number or not said else f"{said} ")
        if last is None or paragraph.getprevious() is not last:
            open_lists = []
        last = put(paragraph, depth, int(number[1]) if number else 0, open_lists)


def first_texts(paragraph: Element) -> list[str]:
    """The texts of a paragraph where its label may stand."""
    return [text for _, text in zip(range(4), paragraph.itertext(), strict=False)]


def replace_label(paragraph: Element, label: str) -> None:
    """Write a label in the place of its mark."""
    for part in paragraph.iter():
        for name in ("text", "tail"):
            text = getattr(part, name)
            if text and LABEL in text:
                setattr(part, name, ITEM.sub(lambda _: label, text, count=1))
                return


def put(paragraph: Element, depth: int, number: int, open_lists: list[tuple[int, Element]]) -> Element:
    """Put a paragraph into the list of its depth; return the outermost list."""
    tag = "ol" if number else "ul"
    while open_lists and open_lists[-1][0] > depth and len(open_lists) > 1:
        open_lists.pop()
    if open_lists and open_lists[-1][0] >= depth and open_lists[-1][1].tag != tag:
        open_lists.pop()
    if not open_lists or open_lists[-1][0] < depth:
        made = etree.Element(tag)
        if open_lists:
            open_lists[-1][1][-1].append(made)
        else:
            paragraph.addprevious(made)
        open_lists.append((depth, made))
    item = etree.SubElement(open_lists[-1][1], "li")
    if number:
        item.set("value", str(number))
    paragraph.tail = None
    item.append(paragraph)
    return open_lists[0][1]


def join_code(page: Element) -> None:
    """Join code blocks that follow each other: Pandoc makes one of each line."""
    for block in list(page.iter("pre")):
        above = block.getprevious()
        if above is not None and above.tag == "pre" and not (above.tail or "").strip():
            joined = "".join(above.itertext()) + "\n" + "".join(block.itertext())
            block.getparent().remove(block)
            above.clear()
            above.text = joined
