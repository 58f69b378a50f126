"""Fields of a DOCX: only what they show is left, and of links also the target (ISO/IEC 29500-1, 17.16)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree

from services.ingest.readers.docx.paragraphs import text_element
from services.ingest.readers.docx.styles import value
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import W

CHARACTER = re.compile(
    r'SYMBOL\s+(\d{1,3}|0x[0-9a-f]{1,2})\b.*\\f\s*"?([^"\\]+?)"?\s*(?:\\|$)', re.IGNORECASE
)
TICKED, EMPTY = "☒ ", "☐ "
OFF = {"0", "false", "off"}


@dataclass
class Field:
    """A field in the making.

    Args:
        marks: its own parts.
        inner: text of fields within its instruction, which it does not show itself.
        shows: whether its result has begun.
    """

    marks: list[Element]
    inner: list[Element] = field(default_factory=list)
    shows: bool = False


def free_fields(body: Element) -> None:
    """Leave of fields only their results, and of links also the target; a formula field gives its source."""
    for paragraph in body.iter(f"{W}p"):
        if next(paragraph.iter(f"{W}fldChar", f"{W}instrText"), None) is not None:
            free_within(paragraph)


def free_within(paragraph: Element) -> None:
    """Leave of the fields of a paragraph only what they show."""
    open_fields: list[Field] = []
    for mark in list(paragraph.iter(f"{W}fldChar", f"{W}instrText", f"{W}t")):
        kind = mark.get(f"{W}fldCharType")
        if mark.tag == f"{W}t":
            hidden_by = next((one for one in open_fields if not one.shows), None)
            if hidden_by is not None and hidden_by is not open_fields[-1]:
                hidden_by.inner.append(mark)
        elif kind == "begin":
            open_fields.append(Field([mark]))
        elif open_fields:
            open_fields[-1].marks.append(mark)
            if kind == "separate":
                open_fields[-1].shows = True
                remove_all(open_fields[-1].inner)
            elif kind == "end":
                settle(open_fields.pop())
        else:
            mark.getparent().remove(mark)
    for unclosed in open_fields:
        remove_all(unclosed.marks)


def settle(done: Field) -> None:
    """Take a field's own parts away, unless it is a link, which Pandoc understands."""
    instructions = [mark for mark in done.marks if mark.tag == f"{W}instrText"]
    words = "".join(mark.text or "" for mark in instructions).strip()
    kind = words.split(" ", 1)[0].upper()
    if kind == "HYPERLINK" and '"' in words:
        return
    if instructions:
        if kind == "EQ":
            instructions[0].addprevious(text_element(words[2:].strip()))
        elif kind == "SYMBOL" and not done.shows and (match := CHARACTER.match(words)):
            instructions[0].addprevious(character(int(match[1], 0), match[2]))
        elif kind in {"FORMDROPDOWN", "FORMCHECKBOX"} and (said := state_of(done.marks[0])):
            instructions[0].addprevious(text_element(said))
    remove_all(done.marks)


def character(number: int, font: str) -> Element:
    """A letter of a font of pictures."""
    element = etree.Element(f"{W}sym")
    element.set(f"{W}font", font)
    element.set(f"{W}char", f"F0{number % 256:02X}")
    return element


def state_of(begin: Element) -> str:
    """What a field of a form is set to: the entry of a list that was chosen, or whether a box is ticked."""
    box, choices = begin.find(f"{W}ffData/{W}checkBox"), begin.find(f"{W}ffData/{W}ddList")
    if box is not None:
        said = box.find(f"{W}checked")
        said = box.find(f"{W}default") if said is None else said
        return TICKED if said is not None and (value(said) or "1") not in OFF else EMPTY
    if choices is None:
        return ""
    entries = [value(entry) or "" for entry in choices.iterchildren(f"{W}listEntry")]
    chosen = value(choices.find(f"{W}result")) or value(choices.find(f"{W}default")) or "0"
    place = int(chosen) if chosen.isascii() and chosen.isdigit() else 0
    return entries[place] if place < len(entries) else ""


def remove_all(elements: Iterable[Element]) -> None:
    """Take elements away, if they are not away already."""
    for element in elements:
        if element.getparent() is not None:
            element.getparent().remove(element)
