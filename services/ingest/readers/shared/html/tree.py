"""HTML made simple before it becomes Markdown: a tree of few kinds of elements, each in one way."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from urllib.parse import quote as percent_encoded

from lxml import etree

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.layout_tables import mend_table
from services.ingest.readers.shared.html.lists import house_lists, number_items
from services.ingest.readers.shared.html.marks import GONE, UNWRAPPED, sweep
from services.ingest.readers.shared.html.math import find_formulas
from services.ingest.readers.shared.html.notes import number_notes

MOST_DEPTH = 60
"""Deeper elements give their text to those above them; no page shows so many levels."""
PARSED_DEPTH = 200
"""Deeper tags are left out before parsing: libxml2 stops at 2048, however huge a tree may be."""
VOID_TAGS = "area base br col embed hr img input link meta param source track wbr"
VOID = frozenset(VOID_TAGS.split())
"""Elements without an end tag."""
TOO_DEEP = "Excessive depth"

TEXTLESS = (
    "area audio base basefont bgsound canvas col colgroup command datalist embed frame head iframe "
    "keygen link map meta noembed noframes object param progress script source style template track "
    "video"
)
WITHOUT_TEXT = TEXTLESS.split()
HEAD_ELEMENTS = {"title", "meta", "link", "style", "script", "base", "noscript", "template", "object"}
GROUPS = (
    "address article aside body center details dialog dir div fieldset figcaption figure footer form "
    "header hgroup html legend main menu nav optgroup option search section select summary"
)
BLOCKS = GROUPS.split()
"""What only groups, and becomes `div`."""
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
TABLE_PARTS = {"table", "caption", "thead", "tbody", "tfoot", "tr", "td", "th"}
CONTAINERS = {"div", "li", "blockquote", "dd", "td", "th", "note", "caption"}
"""What holds paragraphs, or text that stands for one."""
KEPT_BLOCKS = {*CONTAINERS, *HEADINGS, *TABLE_PARTS, "p", "ul", "ol", "pre", "dl", "dt", "hr"}
MARKS = {"strong", "em", "del", "sub", "sup", "code"}
KEPT_INLINE = {*MARKS, "a", "img", "br", "formula", "noteref", "check"}
SAME_AS = {
    "b": "strong",
    "i": "em",
    "s": "del",
    "strike": "del",
    "kbd": "code",
    "samp": "code",
    "tt": "code",
    "listing": "pre",
    "xmp": "pre",
    "plaintext": "pre",
    **dict.fromkeys(BLOCKS, "div"),
}


NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What may not stand in a tree (XML 1.0, 2.2)."""
REFERENCE = re.compile(r"&#(?:[xX]0*([0-9a-fA-F]{1,6})|0*([0-9]{1,7}));?")


def without_controls(html: str) -> str:
    """The page without characters that are no text, written as they are or by number."""
    return NO_TEXT.sub(stand_in, REFERENCE.sub(allowed, html) if "&#" in html else html)


def stand_in(control: re.Match[str]) -> str:
    """Form feed and vertical tab part words; the others are nothing."""
    return " " if control[0] in "\x0b\x0c" else ""


def allowed(reference: re.Match[str]) -> str:
    """A reference to a character, unless its character may not stand in a tree."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    control = NO_TEXT.match(chr(code)) if code <= sys.maxunicode else None
    return stand_in(control) if control else reference[0]


def parsed(html: str) -> Element:
    """The tree of a page or of a part of one; text is never lost to depth."""
    html = without_controls(html)
    if not html.strip():
        return etree.Element("html")
    parser = page_parser()
    root = tree(html, parser)
    if any(TOO_DEEP in entry.message for entry in parser.error_log):
        root = tree(shallow(html), page_parser())
    empty_head(root)
    return root


def empty_head(root: Element) -> None:
    """Move to the body what libxml2 leaves in the head, as it does not know the newer elements."""
    head = root.find("head")
    if head is None:
        return
    strays = list(head.iterchildren(etree.Element))
    while strays and strays[0].tag in HEAD_ELEMENTS and not (strays[0].tail or "").strip():
        strays.pop(0)
    if not strays:
        return
    body = root.find("body")
    if body is None:
        body = etree.SubElement(root, "body")
    first = etree.Element("div")
    if strays[0].tag in HEAD_ELEMENTS:
        first.text, strays[0].tail = strays[0].tail, None
        strays.pop(0)
    first.extend(strays)
    first.tail, body.text = body.text, None
    body.insert(0, first)


def page_parser() -> etree.HTMLParser:
    """A parser that takes whatever a browser takes."""
    return etree.HTMLParser(
        encoding="utf-8", huge_tree=True, no_network=True, remove_comments=True, remove_pis=True
    )


def tree(html: str, parser: etree.HTMLParser) -> Element:
    """Parse; a page of nothing but comments has an empty tree."""
    try:
        root = etree.fromstring(html.encode("utf-8", "replace"), parser)
    except etree.ParserError:
        return etree.Element("html")
    return etree.Element("html") if root is None else root


def shallow(html: str) -> str:
    """The page without the tags that lie deeper than `PARSED_DEPTH`."""
    flattener = Flattener()
    flattener.feed(html)
    flattener.close()
    return "".join(flattener.parts)


class Flattener(HTMLParser):
    """Writes a page anew, and leaves out the tags that lie too deep."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._open: list[str] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Write a tag, unless it lies too deep."""
        if tag not in VOID:
            if len(self._open) >= PARSED_DEPTH:
                self._skipped += 1
                self.parts.append(" ")
                return
            self._open.append(tag)
        said = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs)
        self.parts.append(f"<{tag}{said}>")

    def handle_endtag(self, tag: str) -> None:
        """Close what is open; the ends of left-out tags come first."""
        if self._skipped:
            self._skipped -= 1
        elif tag in self._open:
            while self._open[-1] != tag:
                self.parts.append(f"</{self._open.pop()}>")
            self.parts.append(f"</{self._open.pop()}>")

    def handle_data(self, data: str) -> None:
        """Write text."""
        raw = bool(self._open) and self._open[-1] in self.CDATA_CONTENT_ELEMENTS
        self.parts.append(data if raw else escape(data, quote=False))


def simplified(root: Element) -> Element:
    """Bring a tree to few kinds of elements, in place: `KEPT_BLOCKS` and `KEPT_INLINE`.

    Text stands in `p`, `pre`, `dt` and headings only; no formatting holds a block; items of ordered lists
    have their number as `value`; formulas, notes and checkboxes are elements of their own.
    """
    find_formulas(root)
    etree.strip_elements(root, etree.Comment, etree.ProcessingInstruction, *WITHOUT_TEXT, with_tail=False)
    for element in root.iter("table"):
        mend_table(element)
    number_notes(root)
    rename(root)
    root.tag = "div"
    unnest_definitions(root)
    unwrap_around_blocks(root)
    limit_depth(root)
    sweep(root)
    merge_marks(root)
    for element in root.iter("ul", "ol"):
        house_lists(element)
        number_items(element)
    for element in list(root.iter(*CONTAINERS)):
        wrap_runs(element)
    return root


def rename(root: Element) -> None:
    """Give each element the one tag for what it is; quotation marks and checkboxes are written out."""
    for element in root.iter(etree.Element):
        tag = element.tag
        if tag == "q":
            quote(element)
        elif tag == "input" and element.get("type") == "checkbox":
            element.tag = "check"
        elif tag == "svg":
            keep_drawing(element)
        elif tag == "ruby":
            write_ruby(element)
        tag = SAME_AS.get(str(element.tag), str(element.tag))
        if tag not in KEPT_BLOCKS and tag not in KEPT_INLINE and tag != GONE:
            tag = UNWRAPPED
        element.tag = tag


def unnest_definitions(root: Element) -> None:
    """Put terms and definitions beside each other; libxml2 nests those without end tags."""
    last: dict[Element, Element] = {}
    for part in list(root.iter("dt", "dd")):
        above = part.getparent()
        if above is not None and above.tag in {"dt", "dd"}:
            last.get(above, above).addnext(part)
            last[above] = part


def quote(element: Element) -> None:
    """Write out the quotation marks that a browser shows."""
    element.text = '"' + (element.text or "")
    element.tail = '"' + (element.tail or "")


def keep_drawing(element: Element) -> None:
    """A drawing with words becomes a picture of it with the words beside; one without is an ornament."""
    words = " ".join(" ".join(element.itertext()).split())
    inner = next(element.iter("image"), None)
    picture = None if inner is None else inner.get("xlink:href") or inner.get("href")
    tail, element.tail = element.tail, None
    drawing = etree.tostring(element, encoding="unicode")
    for child in list(element):
        element.remove(child)
    element.text, element.tail = None, tail
    element.tag = "img" if words or picture else GONE
    element.set("alt", words)
    if picture:
        element.set("src", picture)
    elif words:
        element.set("src", "data:image/svg+xml," + percent_encoded(drawing))


def write_ruby(element: Element) -> None:
    """Write a reading behind its word in parentheses, as browsers do that cannot set it above."""
    for part in element.iter("rp", "rt"):
        if part.tag == "rp":
            part.tag = GONE
        else:
            part.text = f"({part.text or ''}" + ("" if len(part) else ")")
            if len(part):
                part[-1].tail = (part[-1].tail or "") + ")"


def unwrap_around_blocks(root: Element) -> None:
    """Take formatting away that holds whole blocks; a link around blocks goes to the words of one of them."""
    for link in root.iter("a"):
        blocks = list(link.iter(*KEPT_BLOCKS))
        if blocks:
            hand_down(link, blocks)
    for block in root.iter(*KEPT_BLOCKS):
        above = block.getparent()
        while above is not None and (above.tag in KEPT_INLINE or above.tag == "p"):
            above.tag = "div" if above.tag == "p" else UNWRAPPED
            above = above.getparent()
    for title in root.iter(*HEADINGS, "dt", "pre"):
        gap = "\n" if title.tag == "pre" else " "
        for block in title.iterdescendants(*KEPT_BLOCKS):
            block.tag = UNWRAPPED
            block.tail = gap + (block.tail or "")
    for title in root.iter(*HEADINGS, "th", "dt"):
        for mark in title.iter("strong"):
            mark.tag = UNWRAPPED


def hand_down(link: Element, blocks: Sequence[Element]) -> None:
    """Put the target of a link that holds blocks around the words of its title, or of its first paragraph."""
    link.tag = "div"
    titles = [block for block in blocks if block.tag in HEADINGS]
    texts = [block for block in blocks if block.tag in {"p", "div"} and not holds_blocks(block)]
    for block in [*titles, *texts][:1]:
        inner = etree.Element("a", href=link.get("href", ""))
        inner.text, block.text = block.text, None
        inner.extend(list(block))
        block.append(inner)


def holds_blocks(element: Element) -> bool:
    """Whether blocks lie in an element."""
    inside = element.iter(*KEPT_BLOCKS)
    next(inside)
    return next(inside, None) is not None


def limit_depth(root: Element) -> None:
    """Unwrap what lies too deep; a space keeps its words from those before."""
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            depth -= 1
            continue
        depth += 1
        if depth > MOST_DEPTH and element.tag not in {"img", "br", "formula", "noteref", GONE}:
            if element.tag in KEPT_BLOCKS:
                element.text = " " + (element.text or "")
            element.tag = UNWRAPPED


def merge_marks(root: Element) -> None:
    """Join neighbours of the same formatting: word processors cut words anywhere."""
    for element in root.iter("strong", "em", "del", "sub", "sup"):
        following = element.getnext()
        while following is not None and not element.tail and following.tag == element.tag:
            tail, following.tail = following.tail, None
            following.tag = UNWRAPPED
            element.append(following)
            element.tail = tail
            following = element.getnext()
    etree.strip_tags(root, UNWRAPPED)


def wrap_runs(container: Element) -> None:
    """Put text that stands beside blocks into paragraphs."""
    children = list(container)
    text, container.text = container.text, None
    run: Element | None = None
    if text and text.strip():
        run = etree.SubElement(container, "p")
        run.text = text
    for child in children:
        tail, child.tail = child.tail, None
        if child.tag in KEPT_BLOCKS:
            container.append(child)
            run = None
            if tail and tail.strip():
                run = etree.SubElement(container, "p")
                run.text = tail
            continue
        if run is None:
            run = etree.SubElement(container, "p")
        run.append(child)
        child.tail = tail
