"""What of a page is its content: the rest is dropped only where it is plain that it is none."""

from __future__ import annotations

import re

from lxml import etree

from services.ingest.readers.html.chrome import CONTROLS, PARTS, is_chrome, is_content
from services.ingest.readers.html.disclosures import set_out_buttons, set_out_tabs, shown_on_demand
from services.ingest.readers.html.sizes import Sizes
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.layout_tables import open_layout
from services.ingest.readers.shared.html.marks import GONE
from services.ingest.readers.shared.html.math import find_formulas
from services.ingest.readers.shared.html.notes import fetch_notes
from services.ingest.readers.shared.html.tree import WITHOUT_TEXT

MOST_OF_TEXT = 0.5
"""Share of the page's text from which on `main` and the `article`s are taken to be the content."""
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def main_content(root: Element) -> Element:
    """The content of a page, in place; its title stands first where it has no `h1`."""
    title = title_of(root)
    find_formulas(root)
    etree.strip_elements(root, *WITHOUT_TEXT, with_tail=False)
    body = root.find("body") if root.find("body") is not None else root
    drop_hidden(body)
    set_out_tabs(body)
    headings = [" ".join("".join(found.itertext()).split()) for found in body.iter("h1")]
    page = Sizes(body)
    set_out_buttons(body, page)
    drop_surroundings(body, page)
    if next(body.iter("h1"), None) is None:
        give_title(body, next((heading for heading in headings if heading), title))
    return open_layout(body)


def title_of(root: Element) -> str:
    """What the page calls itself; empty if nothing."""
    for meta in root.iter("meta"):
        if meta.get("property") == "og:title" and meta.get("content", "").strip():
            return " ".join(meta.get("content").split())
    title = root.find(".//title")
    return "" if title is None else " ".join("".join(title.itertext()).split())


def give_title(content: Element, title: str) -> None:
    """Put a title first."""
    if not title or not any(text.strip() for text in content.itertext()):
        return
    heading = etree.Element("h1")
    heading.text, heading.tail = title, content.text
    content.text = None
    content.insert(0, heading)


def drop_hidden(body: Element) -> None:
    """Take out what a browser shows neither at once nor when a reader asks for it."""
    on_demand = shown_on_demand(body)
    for element in body.iterdescendants(etree.Element):
        if element not in on_demand and is_hidden(element):
            element.tag = GONE
    etree.strip_elements(body, GONE, with_tail=False)


def is_hidden(element: Element) -> bool:
    """Whether a browser does not show an element."""
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    return HIDDEN.search(element.get("style", "")) is not None


def declared(body: Element) -> list[Element]:
    """The elements that are declared to be content, without those in others."""
    found: list[Element] = []
    within: set[Element] = set()
    for element in body.iter(etree.Element):
        if element.getparent() in within:
            within.add(element)
        elif is_content(element):
            within.add(element)
            found.append(element)
    return found


def drop_surroundings(body: Element, page: Sizes) -> None:
    """Take out what surrounds the content: menus, banners, controls."""
    contents = declared(body)
    has_content = sum(page.of(content).text for content in contents) > MOST_OF_TEXT * page.whole
    if has_content:
        fetch_notes(contents, body)
    for element in body.iter(*PARTS, *CONTROLS, "a"):
        if is_chrome(element, page, has_content):
            element.tag = GONE
    etree.strip_elements(body, GONE, with_tail=False)
