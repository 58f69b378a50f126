"""Lists in HTML: every item in its list, and with its number."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.numerals import letters, roman, whole


def house_lists(items: Element) -> None:
    """Put a list that stands directly in a list into the item before it, and other strays into items."""
    item: Element | None = None
    for child in list(items):
        if child.tag == "li":
            item = child
        elif child.tag in {"ul", "ol"} and item is not None:
            item.append(child)
        else:
            child.addprevious(item := etree.Element("li"))
            item.append(child)


def number_items(items: Element) -> None:
    """Write down the number of each item; letters and Roman ones, which Markdown lacks, go to the text."""
    if items.tag == "ul":
        return
    style = items.get("type", "1")
    number = whole(items.get("start"), 1)
    for item in items.iterchildren("li"):
        number = whole(item.get("value"), number)
        if style in LABELS and number > 0:
            label(item, f"{LABELS[style](number)}. ")
        item.set("value", str(max(number, 0)))
        number += 1
    if style in LABELS:
        items.tag = "ul"


def label(item: Element, words: str) -> None:
    """Write words before those of an item."""
    first = item[0] if len(item) and item[0].tag == "p" and not (item.text or "").strip() else item
    first.text = words + (first.text or "").lstrip()


LABELS: dict[str, Callable[[int], str]] = {
    "a": letters,
    "A": lambda number: letters(number).upper(),
    "i": roman,
    "I": lambda number: roman(number).upper(),
}
