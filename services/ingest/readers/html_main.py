"""What of a page is its content: the rest is dropped only where it is plain that it is none."""

from __future__ import annotations

import re

from lxml import etree

from services.ingest.readers.elements import Element
from services.ingest.readers.html_math import find_formulas
from services.ingest.readers.html_tree import GONE, WITHOUT_TEXT, open_up, owner

MOST_OF_TEXT = 0.5
"""Share of the page's text from which on `main` or an `article` is taken to be the content."""
SMALL_SHARE = 0.2
"""What is larger is no form, no banner and no menu, whatever it is called."""
LINK_SHARE = 0.7
ROLES = {
    "navigation",
    "banner",
    "contentinfo",
    "search",
    "complementary",
    "dialog",
    "alertdialog",
    "menu",
    "menubar",
}
CONTROLS = ("button", "select", "textarea", "input", "datalist")
BANNER = re.compile(r"cookie|consent|gdpr|newsletter|subscribe-|popup|modal", re.IGNORECASE)
MENU = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|pagination|pager|sidebar|skip-link|share|sharing|social|"
    r"toolbar|related|footer-links|tagcloud|jump-to-nav|mw-editsection|headerlink|toc-link)(?:$|[\s_-])",
    re.IGNORECASE,
)
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
PARTS = ("div", "section", "ul", "ol", "table", "p", "aside", "span", "nav", "header", "footer", "form", "dl")
ORNAMENTS = {"headerlink", "anchor-link", "mw-editsection", "anchorjs-link", "skip-link", "sr-only-focusable"}


def main_content(root: Element) -> Element:
    """The content of a page, in place; its title stands first where it has no `h1`."""
    title = title_of(root)
    find_formulas(root)
    etree.strip_elements(root, *WITHOUT_TEXT, with_tail=False)
    body = root.find("body") if root.find("body") is not None else root
    for element in body.iterdescendants(etree.Element):
        if hidden(element):
            element.tag = GONE
    etree.strip_elements(body, GONE, with_tail=False)
    whole = length(body)
    headings = [" ".join("".join(found.itertext()).split()) for found in body.iter("h1")]
    chosen = holder(body, whole)
    for element in chosen.iter(*PARTS, "a", "button", "select", "textarea", "input", "datalist"):
        if element is not chosen and is_none_of_it(element, body is chosen, whole):
            element.tag = GONE
    etree.strip_elements(chosen, GONE, with_tail=False)
    if next(chosen.iter("h1"), None) is None:
        give_title(chosen, next((heading for heading in headings if heading), title))
    return open_layout(chosen)


def open_layout(root: Element) -> Element:
    """Let tables that hold tables and have no head stand as plain blocks, in place: they only lay out."""
    for table in root.iter("table"):
        inside = table.iter("table")
        next(inside)
        cells = [cell for cell in table.iter("td", "th") if owner(cell) is table]
        if next(inside, None) is not None and all(cell.tag == "td" for cell in cells):
            open_up(table, cells)
    return root


def title_of(root: Element) -> str:
    """What the page calls itself; empty if nothing."""
    for meta in root.iter("meta"):
        if meta.get("property") == "og:title" and meta.get("content", "").strip():
            return " ".join(meta.get("content").split())
    title = root.find(".//title")
    return "" if title is None else " ".join("".join(title.itertext()).split())


def give_title(content: Element, title: str) -> None:
    """Put a title first."""
    if not title or not length(content):
        return
    heading = etree.Element("h1")
    heading.text, heading.tail = title, content.text
    content.text = None
    content.insert(0, heading)


def length(element: Element) -> int:
    """How much an element says, in characters without space."""
    return sum(len(word) for text in element.itertext() for word in text.split())


def hidden(element: Element) -> bool:
    """Whether a browser does not show an element."""
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    return HIDDEN.search(element.get("style", "")) is not None


def holder(body: Element, whole: int) -> Element:
    """The element that is declared to be the content, if it holds most of the text; else the body."""
    declared = [*body.iter("main"), *body.iterfind(".//*[@role='main']"), *body.iter("article")]
    for element in declared:
        if length(element) > MOST_OF_TEXT * whole:
            return element
    return body


def is_none_of_it(element: Element, in_body: bool, whole: int) -> bool:
    """Whether an element is no content: controls, menus, banners."""
    tag, role = element.tag, element.get("role", "")
    if tag in CONTROLS:
        return not (tag == "input" and element.get("type") == "checkbox")
    names = f"{element.get('id', '')} {element.get('class', '')}"
    if tag == "a":
        return bool(ORNAMENTS.intersection(names.split()))
    if tag == "nav" or role in ROLES:
        return is_small(element, whole) or link_share(element) > LINK_SHARE
    if tag in {"header", "footer", "aside"}:
        return in_body and not in_article(element) and is_small(element, whole)
    if tag == "form":
        return is_small(element, whole)
    if BANNER.search(names):
        return is_small(element, whole)
    if ORNAMENTS.intersection(names.split()):
        return is_small(element, whole)
    if MENU.search(names):
        return is_small(element, whole) and link_share(element) > MOST_OF_TEXT
    return in_body and tag in {"ul", "ol", "div", "table"} and is_link_block(element, whole)


def in_article(element: Element) -> bool:
    """Whether an element belongs to an article, not to the page."""
    return next(element.iterancestors("article", "main", "blockquote"), None) is not None


def is_small(element: Element, whole: int) -> bool:
    """Whether an element has little of the page's text."""
    return length(element) <= max(SMALL_SHARE * whole, 20)


def link_share(element: Element) -> float:
    """How much of an element's text is links."""
    return sum(length(link) for link in element.iter("a")) / max(1, length(element))


def is_link_block(element: Element, whole: int) -> bool:
    """Whether an element is a row of short links that stands in no article."""
    links = list(element.iter("a"))
    if len(links) < 4 or in_article(element) or not is_small(element, whole):
        return False
    short = all(length(link) < 25 for link in links)
    return short and sum(map(length, links)) > 0.9 * length(element)
