"""What surrounds the content of a page: menus, banners, controls. A menu is kept rather than content lost."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from services.ingest.readers.html.sizes import Sizes, count
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.notes import STARS
from services.ingest.readers.shared.html.tree import HEADINGS

LINK_SHARE = 0.7
"""Of the text of a menu, more is links."""
HALF = 0.5
"""Of what is called a menu, or stands outside of the content, more is links."""
MENU_ROLES = {"navigation", "search", "dialog", "alertdialog", "menu", "menubar"}
EDGES = {"header": "header", "footer": "footer", "aside": "aside"}
EDGE_ROLES = {"banner": "header", "contentinfo": "footer", "complementary": "aside"}
CONTROLS = ("button", "select", "textarea", "input", "datalist")
PARTS = (
    "div",
    "section",
    "ul",
    "ol",
    "table",
    "p",
    "aside",
    "span",
    "nav",
    "header",
    "footer",
    "form",
    "dl",
    "details",
)
BANNER = re.compile(
    r"(?:cookie|gdpr|consent|privacy)[\w-]*?(?:banner|bar|notice|popup|overlay|dialog|modal|message)|"
    r"cookieconsent|onetrust|newsletter-signup|subscribe-form",
    re.IGNORECASE,
)
SIGN = re.compile(r"\W{0,3}")
"""What a link to its own place shows: a paragraph sign, a hash, a chain."""
MENU = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|breadcrumbs?|pagination|pager|sidebar|skip-link|share|sharing|social|"
    r"toolbar|footer-links|tagcloud|jump-to-nav|mw-editsection|headerlink|toc-link)(?:$|[\s_-])|"
    r"(?:^|\s)related(?:[_-](?:posts?|articles?|links?|stories|content|news|topics|pages|reading))?(?:$|\s)",
    re.IGNORECASE,
)
ORNAMENTS = {"headerlink", "anchor-link", "mw-editsection", "anchorjs-link", "skip-link", "sr-only-focusable"}
RIGHTS = re.compile(
    r"©|\(c\)\s*\d|copyright|all rights reserved|powered by|"
    r"版[权權]所有|保留所有[权權]|ICP\s*[备備证證]|公网安备",
    re.IGNORECASE,
)
SKIP = re.compile(r"(?:^|\s)skip(?:-?to|-?nav|-?link|-?main)", re.IGNORECASE)
"""What links past the menu are called."""
LEAST_WORD = 3
LEAST_LINE = 16
"""Characters, those of the East twice, from which on a line at the foot of a page says something."""
LEAST_PROSE = 60
FARTHEST = 20
"""Elements without text that may stand between a list and what leads to it."""
LEADING = {*HEADINGS, "p", "pre", "blockquote", "figure", "dl", "table", "ul", "ol", "dt", "summary"}
SAYING = (*HEADINGS, "p", "pre", "blockquote", "dl", "table", "address", "time")
CELLS = ("p", "td", "th", "dd", "pre", "blockquote", "li")
FIELDS = ("label", *CONTROLS)
EASTERN = re.compile("[\u2e80-\uffef]")


def is_chrome(element: Element, page: Sizes, has_content: bool) -> bool:
    """Whether an element is none of what a person came to read.

    Args:
        element: one of `PARTS` or `CONTROLS`, or a link.
        page: the sizes of the page.
        has_content: the page declares what its content is; what stands outside of that is then looked at
            more strictly.
    """
    tag, names = element.tag, f"{element.get('id', '')} {element.get('class', '')}"
    if tag in CONTROLS:
        return not (tag == "input" and element.get("type") == "checkbox")
    if tag == "a":
        return is_ornament(element, names)
    size, inside = page.of(element), in_article(element)
    if is_declared_menu(element, names, page):
        return True
    edge = EDGES.get(tag) or EDGE_ROLES.get(element.get("role", ""), "")
    if edge and not inside:
        return not page_edge_says_something(element, edge, page)
    if page.is_small(element) and MENU.search(names) and size.link_share > HALF:
        return True
    if inside or tag in {"p", "span", "nav", "form", "dl", "details"}:
        return False
    if has_content or in_edge(element):
        return size.links > 0 and size.link_share > HALF and not holds_content(element)
    return page.is_small(element) and is_link_block(element, page) and not is_led_to(element, page)


def is_declared_menu(element: Element, names: str, page: Sizes) -> bool:
    """Whether the page itself calls an element a menu, a banner or a form; large ones must be links, too."""
    tag, role = element.tag, element.get("role", "")
    if not page.is_small(element):
        return (tag == "nav" or role in MENU_ROLES) and page.of(element).link_share > LINK_SHARE
    if tag == "form" and role != "search" and "search" not in element.get("action", ""):
        return BANNER.search(names) is not None or not explains(element)
    return (
        tag in {"nav", "form"}
        or role in MENU_ROLES
        or BANNER.search(names) is not None
        or not ORNAMENTS.isdisjoint(names.split())
    )


def is_ornament(link: Element, names: str) -> bool:
    """Whether a link only helps in a browser: to its own place, past the menu, to an editor."""
    if ORNAMENTS.intersection(names.split()) or SKIP.search(names):
        return True
    text = "".join(link.itertext())
    return (
        link.get("href", "").startswith("#")
        and SIGN.fullmatch(text) is not None
        and not STARS.fullmatch(text)
    )


def in_article(element: Element) -> bool:
    """Whether an element belongs to an article, not to the page."""
    return any(is_content(above) or above.tag == "blockquote" for above in element.iterancestors())


def is_content(element: Element) -> bool:
    """Whether a page declares an element to be content."""
    return element.tag in {"main", "article"} or element.get("role") == "main"


def in_edge(element: Element) -> bool:
    """Whether an element stands in the header, footer or margin of the page."""
    return next(element.iterancestors(*EDGES), None) is not None


def holds_content(element: Element) -> bool:
    """Whether the title of the page or what it declares to be its content stands in an element."""
    return any(one.tag == "h1" or is_content(one) for one in element.iter(etree.Element))


def page_edge_says_something(element: Element, edge: str, page: Sizes) -> bool:
    """Whether header, footer or margin of a page have more than links and rights."""
    if edge == "aside":
        return page.of(element).unlinked > 0 and page.of(element).link_share <= HALF
    if edge == "header":
        return any(page.of(part).unlinked > LEAST_WORD for part in element.iter(*SAYING))
    return any(
        weight(line) >= LEAST_LINE and not RIGHTS.search(line)
        for line in unlinked_lines(element, ("a", *FIELDS))
    )


def weight(line: str) -> int:
    """Characters without space, those of the East twice."""
    return count(line) + len(EASTERN.findall(line))


def unlinked_lines(element: Element, without: tuple[str, ...]) -> Iterator[str]:
    """The texts that stand between the tags in an element, without those in some."""
    if element.tag in without:
        return
    stack = [element]
    while stack:
        one = stack.pop()
        if isinstance(one.tag, str) and one.tag not in without:
            yield one.text or ""
            stack.extend(reversed(one))
        if one is not element:
            yield one.tail or ""


def explains(form: Element) -> bool:
    """Whether a form says more than what its fields are: paragraphs and rows without any field."""
    return any(
        any(count(line) > LEAST_WORD for line in unlinked_lines(block, ("a",)))
        for block in form.iter(*CELLS)
        if next(row_of(block).iter(*FIELDS), None) is None
    )


def row_of(cell: Element) -> Element:
    """The row of a cell; other blocks stand for themselves."""
    return next(cell.iterancestors("tr"), cell) if cell.tag in {"td", "th"} else cell


def is_link_block(element: Element, page: Sizes) -> bool:
    """Whether an element is a row of short links."""
    size = page.of(element)
    short = size.links >= 4 and size.longest < 25 and size.link_share > 0.9
    return short and element.tag in {"ul", "ol", "div", "table"}


def is_led_to(element: Element, page: Sizes) -> bool:
    """Whether a heading, a paragraph or bare words lead to a list, or prose is around it."""
    box = element
    while (parent := box.getparent()) is not None:
        before = neighbour(box, page, preceding=True)
        words = box_lead(box, before, parent)
        if count(words) >= LEAST_WORD and any(letter.isalnum() for letter in words):
            return True
        if before is not None:
            return leads(before, page) or (
                is_prose(before, page) and is_prose(neighbour(box, page, preceding=False), page)
            )
        if parent.tag in {"body", "html"}:
            return False
        box = parent
    return False


def neighbour(box: Element, page: Sizes, *, preceding: bool) -> Element | None:
    """The next element with text before or after another, if it is near."""
    for steps, sibling in enumerate(box.itersiblings(preceding=preceding)):
        if steps >= FARTHEST:
            break
        if page.of(sibling).text:
            return sibling
    return None


def box_lead(box: Element, before: Element | None, parent: Element) -> str:
    """The bare words between an element and the one before it."""
    words: list[str] = []
    for steps, sibling in enumerate(box.itersiblings(preceding=True)):
        if sibling is before or steps >= FARTHEST:
            return "".join([(sibling.tail or ""), *words])
        words.append(sibling.tail or "")
    return "".join([parent.text or "", *words])


def leads(before: Element, page: Sizes) -> bool:
    """Whether an element is a heading or text that may lead to a list."""
    return before.tag in LEADING and page.of(before).link_share <= HALF


def is_prose(element: Element | None, page: Sizes) -> bool:
    """Whether an element says something at length."""
    return element is not None and page.of(element).unlinked > LEAST_PROSE
