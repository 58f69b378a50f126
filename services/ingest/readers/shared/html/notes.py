"""Footnotes in HTML: references and notes, numbered by the order of the references."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lxml import etree

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.marks import GONE

NOTE_CLASSES = {"footnote-ref", "noteref", "footnote-reference", "footnote_ref", "fnref"}
BACK_CLASSES = {"footnote-back", "footnote-backref", "reversefootnote", "footnote-return"}
MARK = re.compile(r"[\[(（]?\s*(?:\d{1,4}|[a-z]|[ivx]{1,5}|[*†‡§¶]{1,3}|注\s*\d*|[①-⑳])\s*[\])）]?")
"""What a reference shows."""
STARS = re.compile(r"[\[(]?[*†‡]{1,3}[\])]?")
"""What a reference shows even where it is not raised."""
BACK = re.compile(r"[^\w]{0,4}|[a-z]|\d{1,3}|\d+\.\d+")
"""What a link back shows: an arrow, a letter or a number."""
ARROW = re.compile(r"[^\w\s]{1,4}")
NOTE_BLOCKS = {"li", "p", "aside", "div", "dd", "section"}
LONGEST_NOTE = 10_000
"""In characters; a number that links to more is no reference but a step to another part of the page."""


def number_notes(root: Element) -> None:
    """Make references `noteref` and notes `note`, both with their number `n`, in place."""
    links = [link for link in root.iter("a") if link.get("href", "").startswith("#")]
    if not links:
        return
    targets, places = targets_of(root)
    numbers: dict[Element, int] = {}
    for link in links:
        note = note_of(link, targets, places)
        if note is not None:
            number = numbers.setdefault(note, len(numbers) + 1)
            set_reference(link, number)
    for note, number in numbers.items():
        set_note(note, number, targets, places)


def targets_of(root: Element) -> tuple[dict[str, Element], dict[Element, int]]:
    """What links can lead to, by name, and the place of each element in the order of the page."""
    places: dict[Element, int] = {}
    targets: dict[str, Element] = {}
    for place, element in enumerate(root.iter(etree.Element)):
        places[element] = place
        for name in (element.get("id"), element.get("name") if element.tag == "a" else None):
            if name:
                targets.setdefault(name, element)
    return targets, places


def fetch_notes(contents: Sequence[Element], page: Element) -> None:
    """Move notes that stand outside the content of a page, but are referred to in it, to its end.

    What else stands in a list of such notes is marked as gone: notes that nothing refers to.
    """
    links = [
        (link, content)
        for content in contents
        for link in content.iter("a")
        if link.get("href", "").startswith("#")
    ]
    if not links:
        return
    targets, places = targets_of(page)
    inside = set(contents)
    for link, content in links:
        note = note_of(link, targets, places)
        if note is None or not inside.isdisjoint(note.iterancestors()):
            continue
        holder = note.getparent()
        if holder is not None and holder.tag in {"ol", "ul"}:
            holder.tag = GONE
        note.tail = None
        etree.SubElement(content, "div").append(note)


def note_of(link: Element, targets: dict[str, Element], places: dict[Element, int]) -> Element | None:
    """The note that a link refers to; none if it is no reference."""
    target = targets.get(link.get("href", "")[1:])
    if target is None or not (is_declared(link) or looks_like_reference(link)):
        return None
    note: Element | None = target
    while note is not None and note.tag not in NOTE_BLOCKS:
        note = note.getparent()
    if note is None or note in link.iterancestors():
        return None
    if is_declared(link):
        return note
    # A number that links backwards is the way from a note to its reference.
    if places[note] < places[link] or len("".join(note.itertext())) > LONGEST_NOTE:
        return None
    return note


def is_declared(link: Element) -> bool:
    """Whether the page says that a link is a reference to a note."""
    return (
        link.get("role") == "doc-noteref"
        or "noteref" in link.get("epub:type", "").split()
        or bool(NOTE_CLASSES.intersection(link.get("class", "").split()))
    )


def looks_like_reference(link: Element) -> bool:
    """Whether a link is a raised number or sign, or a star or dagger."""
    raised = link.getparent() is not None and link.getparent().tag == "sup"
    raised = raised or (len(link) == 1 and link[0].tag == "sup" and not (link.text or "").strip())
    text = "".join(link.itertext()).strip()
    return (MARK if raised else STARS).fullmatch(text) is not None


def set_reference(link: Element, number: int) -> None:
    """Make a link a reference; the raising around it goes, and its brackets."""
    raising = link.getparent()
    tail = link.tail
    link.clear()
    link.tail = tail
    link.tag = "noteref"
    link.set("n", str(number))
    if raising is not None and raising.tag == "sup":
        raising.tag = "span"
        if (raising.text or "").strip() in {"[", "("} and (tail or "").strip() in {"]", ")"}:
            raising.text = link.tail = None


def set_note(note: Element, number: int, targets: dict[str, Element], places: dict[Element, int]) -> None:
    """Make a block a note; its links back go, and the list or rule that only set it apart."""
    for link in list(note.iter("a")):
        if leads_back(link, note, targets, places):
            tail = link.tail
            link.clear()
            link.tail = tail
            link.tag = GONE
    holder = note.getparent()
    if note.tag == "li" and holder is not None:
        holder.tag = "div"
        rule = holder.getprevious()
        if rule is not None and rule.tag == "hr":
            rule.tag = GONE
    note.tag = "note"
    note.set("n", str(number))


def leads_back(link: Element, note: Element, targets: dict[str, Element], places: dict[Element, int]) -> bool:
    """Whether a link in a note only leads to its reference."""
    if link.get("role") == "doc-backlink" or BACK_CLASSES.intersection(link.get("class", "").split()):
        return True
    if not link.get("href", "").startswith("#"):
        return False
    text = "".join(link.itertext()).strip()
    target = targets.get(link.get("href", "")[1:])
    if target is None or places.get(target, 0) >= places[note]:
        return target is None and ARROW.fullmatch(text) is not None
    return BACK.fullmatch(text) is not None
