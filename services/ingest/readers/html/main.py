"""What of a page is its content: the rest is dropped only where it is plain that it is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.layout_tables import open_layout
from services.ingest.readers.shared.html.marks import GONE
from services.ingest.readers.shared.html.math import find_formulas
from services.ingest.readers.shared.html.notes import STARS, fetch_notes
from services.ingest.readers.shared.html.tree import WITHOUT_TEXT

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
BANNER = re.compile(
    r"(?:cookie|gdpr|consent|privacy)[\w-]*?(?:banner|bar|notice|popup|overlay|dialog|modal|message)|"
    r"cookieconsent|onetrust|newsletter-signup|subscribe-form",
    re.IGNORECASE,
)
SIGN = re.compile(r"\W{0,3}")
"""What a link to its own place shows: a paragraph sign, a hash, a chain."""
LEAST_LEAD = 60
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
    page = Sizes(body)
    headings = [" ".join("".join(found.itertext()).split()) for found in body.iter("h1")]
    chosen = holder(body, page)
    for element in chosen.iter(*PARTS, "a", "button", "select", "textarea", "input", "datalist"):
        if element is not chosen and is_none_of_it(element, body is chosen, page):
            element.tag = GONE
    etree.strip_elements(chosen, GONE, with_tail=False)
    fetch_notes(chosen, body)
    if next(chosen.iter("h1"), None) is None:
        give_title(chosen, next((heading for heading in headings if heading), title))
    return open_layout(chosen)


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


def hidden(element: Element) -> bool:
    """Whether a browser does not show an element."""
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    return HIDDEN.search(element.get("style", "")) is not None


@dataclass(frozen=True)
class Size:
    """How much an element says, in characters without space.

    Args:
        text: all of it.
        linked: its links.
        links: how many they are.
        longest: the longest of them.
    """

    text: int = 0
    linked: int = 0
    links: int = 0
    longest: int = 0

    @property
    def link_share(self) -> float:
        """How much of the text is links."""
        return self.linked / max(1, self.text)


class Sizes:
    """The sizes of all elements of a page, measured at once.

    Args:
        body: the page.
    """

    def __init__(self, body: Element) -> None:
        self._sizes: dict[Element, Size] = {}
        for _, element in etree.iterwalk(body, events=("end",)):
            inner = [self._sizes[child] for child in element]
            text = (
                count(element.text)
                + sum(size.text for size in inner)
                + sum(count(child.tail) for child in element)
            )
            if element.tag == "a":
                self._sizes[element] = Size(text, text, 1, text)
            else:
                self._sizes[element] = Size(
                    text,
                    sum(size.linked for size in inner),
                    sum(size.links for size in inner),
                    max((size.longest for size in inner), default=0),
                )
        self.whole = self._sizes[body].text

    def of(self, element: Element) -> Size:
        """The size of an element."""
        return self._sizes.get(element, Size())

    def is_small(self, element: Element) -> bool:
        """Whether an element has little of the page's text."""
        return self.of(element).text <= max(SMALL_SHARE * self.whole, 20)


def count(text: str | None) -> int:
    """Characters without space."""
    return sum(map(len, text.split())) if text else 0


def holder(body: Element, page: Sizes) -> Element:
    """The element that is declared to be the content, if it holds most of the text; else the body."""
    declared = [*body.iter("main"), *body.iterfind(".//*[@role='main']"), *body.iter("article")]
    for element in declared:
        if page.of(element).text > MOST_OF_TEXT * page.whole:
            return element
    return body


def is_none_of_it(element: Element, in_body: bool, page: Sizes) -> bool:
    """Whether an element is no content: controls, menus, banners."""
    tag, role = element.tag, element.get("role", "")
    if tag in CONTROLS:
        return not (tag == "input" and element.get("type") == "checkbox")
    names = f"{element.get('id', '')} {element.get('class', '')}"
    if tag == "a":
        return is_ornament(element, names)
    if not page.is_small(element):
        return (tag == "nav" or role in ROLES) and page.of(element).link_share > LINK_SHARE
    if (
        tag in {"nav", "form"}
        or role in ROLES
        or BANNER.search(names)
        or ORNAMENTS.intersection(names.split())
    ):
        return True
    if tag in {"header", "footer", "aside"}:
        return in_body and not in_article(element) and not leads(element, page)
    if MENU.search(names):
        return page.of(element).link_share > MOST_OF_TEXT
    return in_body and tag in {"ul", "ol", "div", "table"} and is_link_block(element, page)


def is_ornament(link: Element, names: str) -> bool:
    """Whether a link only helps in a browser: to its own place, past the menu, to an editor."""
    if ORNAMENTS.intersection(names.split()):
        return True
    text = "".join(link.itertext())
    return (
        link.get("href", "").startswith("#")
        and SIGN.fullmatch(text) is not None
        and not STARS.fullmatch(text)
    )


def in_article(element: Element) -> bool:
    """Whether an element belongs to an article, not to the page."""
    return next(element.iterancestors("article", "main", "blockquote"), None) is not None


def leads(element: Element, page: Sizes) -> bool:
    """Whether a header leads into the text: a paragraph of it says something by itself."""
    if element.tag != "header":
        return False
    sizes = (page.of(paragraph) for paragraph in element.iter("p"))
    return any(size.text - size.linked > LEAST_LEAD for size in sizes)


def is_link_block(element: Element, page: Sizes) -> bool:
    """Whether an element is a row of short links that stands in no article."""
    size = page.of(element)
    return size.links >= 4 and size.longest < 25 and size.link_share > 0.9 and not in_article(element)
