"""What the styles of a DOCX say of its paragraphs: headings, lists, code. ISO/IEC 29500-1, 17.7."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import W
from services.ingest.readers.shared.style_names import MONOSPACED, TITLE_NAMES

MOST_HEADING = 6
HEADING_NAME = re.compile(
    r"(?:heading|标题|標題|見出し|제목|überschrift|titre|título|titolo|заголовок|kop|rubrik|nagłówek|nadpis)\s*([1-9])"
)
LIST_NAME = re.compile(r"list (?:bullet|number) ([2-5])", re.IGNORECASE)
CODE_NAMES = {
    "source code",
    "html preformatted",
    "preformatted text",
    "code",
    "code block",
    "macro",
    "代码",
    "源代码",
}
QUOTE_NAMES = {"quote", "intense quote", "block text", "quotations", "引用", "明显引用"}


@dataclass(frozen=True)
class Style:
    """A style, with what it has from those it is based on.

    Args:
        name: as Word shows it; of built-in styles the English one in any language.
        heading: level of the heading, from 1; 0 if it is none.
        numbering: id of its list; `None` if it says nothing of it.
        level: level in the list, from 0.
        depth: how deep it lies under other lists, from 0.
        code: whether it is for code.
        quote: whether it is for quotations.
        monospaced: whether its letters are of one width; `None` if it says nothing of it.
    """

    name: str = ""
    heading: int = 0
    numbering: str | None = None
    level: int = 0
    depth: int = 0
    code: bool = False
    quote: bool = False
    monospaced: bool | None = None


@dataclass
class Styles:
    """The styles of a document, by id; `default` is what paragraphs without one have."""

    by_id: dict[str, Style] = field(default_factory=dict)
    default: Style = field(default_factory=Style)

    def of(self, paragraph_or_run_style: str | None) -> Style:
        """A style by its id; the default one for none and for ids that do not exist."""
        return self.by_id.get(paragraph_or_run_style or "", self.default)


def styles_of(root: Element | None) -> Styles:
    """Read `styles.xml`."""
    found = Styles()
    if root is None:
        return found
    elements = {style.get(f"{W}styleId", ""): style for style in root.iterchildren(f"{W}style")}
    for identity in elements:
        resolve(identity, elements, found.by_id)
    usual = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
    base = Style(monospaced=is_monospaced(usual))
    for identity, element in elements.items():
        if element.get(f"{W}default") in {"1", "true"} and element.get(f"{W}type") == "paragraph":
            own = found.by_id[identity]
            base = Style(
                name=own.name, monospaced=base.monospaced if own.monospaced is None else own.monospaced
            )
    found.default = base
    return found


def resolve(identity: str, elements: dict[str, Element], done: dict[str, Style]) -> None:
    """Work out a style after those that it is based on; a circle ends where it closes."""
    chain: list[str] = []
    while identity in elements and identity not in done and identity not in chain:
        chain.append(identity)
        identity = value(elements[identity].find(f"{W}basedOn")) or ""
    for each in reversed(chain):
        based = done.get(value(elements[each].find(f"{W}basedOn")) or "", Style())
        done[each] = style_of(elements[each], based)


def style_of(element: Element, based: Style) -> Style:
    """A style by what it says, and what it has from the one below."""
    name = value(element.find(f"{W}name")) or ""
    properties = element.find(f"{W}pPr")
    numbering, level = numbering_in(properties)
    named = LIST_NAME.fullmatch(name)
    monospaced = is_monospaced(element.find(f"{W}rPr"))
    outline = outline_in(properties)
    return Style(
        name=name,
        heading=heading_of(name.strip().lower(), outline, based),
        numbering=based.numbering if numbering is None else numbering,
        level=based.level if level is None else level,
        depth=int(named[1]) - 1 if named else based.depth,
        code=based.code or name.lower() in CODE_NAMES,
        quote=based.quote or name.lower() in QUOTE_NAMES,
        monospaced=based.monospaced if monospaced is None else monospaced,
    )


def heading_of(name: str, outline: int | None, based: Style) -> int:
    """The heading level of a style: by its name, by its place in the outline, or by what it is based on."""
    named = HEADING_NAME.fullmatch(name)
    if named:
        return int(named[1])
    if outline is not None:
        return outline
    return 1 if name in TITLE_NAMES else based.heading


def outline_in(properties: Element | None) -> int | None:
    """The heading level that properties set, from 1; 0 for "body text", none if they say nothing."""
    said = value(properties.find(f"{W}outlineLvl")) if properties is not None else None
    if said is None or not said.isdigit():
        return None
    return int(said) + 1 if int(said) < 9 else 0


def numbering_in(properties: Element | None) -> tuple[str | None, int | None]:
    """The id of the list and the level in it that properties set; an id of 0 means no list."""
    numbering = properties.find(f"{W}numPr") if properties is not None else None
    if numbering is None:
        return None, None
    depth = value(numbering.find(f"{W}ilvl"))
    return value(numbering.find(f"{W}numId")), int(depth) if depth and depth.isdigit() else None


def is_monospaced(properties: Element | None) -> bool | None:
    """Whether properties of letters set a font of one width; none if they set no font."""
    fonts = properties.find(f"{W}rFonts") if properties is not None else None
    if fonts is None:
        return None
    named = fonts.get(f"{W}ascii") or fonts.get(f"{W}hAnsi")
    return MONOSPACED.search(named) is not None if named else None


def value(element: Element | None) -> str | None:
    """The attribute `w:val` of an element."""
    return None if element is None else element.get(f"{W}val")
