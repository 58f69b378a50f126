"""Text of slides: paragraphs with their levels, bullets, links and formulas."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree
from markitdown.converter_utils.docx.math.omml import oMath2Latex
from pptx.shapes.base import BaseShape

from services.ingest.readers.shared import markdown
from services.ingest.readers.shared.namespaces import M, R

WITH_PROPERTIES = ("acc", "bar", "d", "f", "groupChr", "nary")
UNKNOWN = [f"{M}{name}" for name in ("sPre", "phant", "borderBox")]
"""What the library leaves out, with all that is in it."""
BODY_KINDS = {"body", "obj", ""}
BULLETS = {"buChar": "-", "buBlip": "-", "buAutoNum": "1", "buNone": ""}


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of a shape.

    Args:
        text: its Markdown.
        level: of its list, from 0.
        mark: `-` with a bullet, `1` with a number, empty without.
        start: the number at which its list begins.
    """

    text: str
    level: int
    mark: str
    start: int = 1


def frame_text(paragraphs: Iterator[Paragraph]) -> str:
    """The paragraphs of a shape as lists and paragraphs, without line end."""
    lines: list[str] = []
    numbers: dict[int, tuple[int, int]] = {}
    before = ""
    for one in paragraphs:
        if lines and not (before and one.mark):
            lines.append("")
        numbers = {level: number for level, number in numbers.items() if level <= one.level and one.mark}
        if one.mark == "1":
            start, last = numbers.get(one.level, (one.start, one.start - 1))
            number = last + 1 if start == one.start else one.start
            numbers[one.level] = (one.start, number)
            lines.append(markdown.item(one.level, one.text, f"{number}."))
        elif one.mark:
            numbers.pop(one.level, None)
            lines.append(markdown.item(one.level, one.text))
        else:
            lines.append(markdown.paragraph(one.text))
        before = one.mark
    return "\n".join(lines)


def paragraphs_of(
    body: etree._Element, styles: list[etree._Element], links: Mapping[str, str]
) -> Iterator[Paragraph]:
    """The paragraphs of a text body that hold text.

    Args:
        body: the element `txBody`.
        styles: list styles that count where a paragraph says nothing, the nearest first.
        links: addresses by relation id.
    """
    for element in body.iterfind("{*}p"):
        text = paragraph_text(element, links)
        if text:
            properties = element.find("{*}pPr")
            level_text = properties.get("lvl", "0") if properties is not None else "0"
            level = int(level_text) if level_text.isdigit() else 0
            yield Paragraph(text, level, *bullet_of(properties, level, styles))


def bullet_of(properties: etree._Element | None, level: int, styles: list[etree._Element]) -> tuple[str, int]:
    """The mark of a paragraph and its first number: what it says, or the first style that says something."""
    at_level = (style.find(f"{{*}}lvl{level + 1}pPr") for style in styles)
    for one in [properties, *at_level]:
        if one is not None:
            for child in one:
                name = etree.QName(child).localname
                if name in BULLETS:
                    start = child.get("startAt", "")
                    return BULLETS[name], int(start) if start.isascii() and start.isdigit() else 1
    return "", 1


def list_styles(shape: BaseShape) -> list[etree._Element]:
    """The list styles of a shape, the nearest first: its own, those it inherits, and those of the master."""
    found: list[etree._Element] = []
    one: BaseShape | None = shape
    while one is not None:
        found += one._element.findall("{*}txBody/{*}lstStyle")
        one = getattr(one, "_base_placeholder", None)
    kind = shape._element.find(".//{*}nvPr/{*}ph")
    if kind is not None and kind.get("type", "") in BODY_KINDS:
        layout = getattr(shape.part, "slide_layout", None)
        found += layout.slide_master._element.findall("{*}txStyles/{*}bodyStyle") if layout else []
    return found


def paragraph_text(element: etree._Element, links: Mapping[str, str]) -> str:
    """The text of a paragraph, with its links and formulas; a line break is a line end."""
    parts: list[str] = []
    for child in element:
        match etree.QName(child).localname:
            case "r" | "fld":
                parts.append(linked("".join(child.itertext("{*}t")), child, links))
            case "br":
                parts.append("\n")
            case "m" | "AlternateContent":
                parts += [f"${formula(one)}$" for one in child.iter("{*}oMath")]
    return "".join(parts).replace("\v", "\n").strip()


def linked(text: str, run: etree._Element, links: Mapping[str, str]) -> str:
    """The text of a run, as a link if it is one to the web."""
    link = run.find("{*}rPr/{*}hlinkClick")
    address = links.get(link.get(f"{R}id", ""), "") if link is not None else ""
    return markdown.link(text, address)


def formula(element: etree._Element) -> str:
    """A formula as LaTeX; as its bare characters where it holds what the library does not know."""
    if any(True for _ in element.iter(*UNKNOWN)):
        return "".join(element.itertext("{*}t"))
    whole = copy.deepcopy(element)
    for name in WITH_PROPERTIES:
        # The library asks for properties that may be left out.
        for one in whole.iter(f"{M}{name}"):
            if one.find(f"{M}{name}Pr") is None:
                one.insert(0, etree.Element(f"{M}{name}Pr"))
    try:
        return str(oMath2Latex(whole).latex).strip()  # type: ignore[no-untyped-call]  # ships no types
    except MemoryError:
        raise
    except Exception:
        # Whatever it stumbles over, the characters are there.
        return "".join(element.itertext("{*}t"))
