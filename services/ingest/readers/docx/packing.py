"""Parts of a mended DOCX packed as small DOCX of their own, with what Pandoc needs to read them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from services.ingest.readers.docx.paragraphs import (
    BULLETS,
    CODE_LETTERS,
    CODE_STYLE,
    HEADING_STYLE,
    QUOTE_STYLE,
    Lists,
)
from services.ingest.readers.docx.styles import MOST_HEADING
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.namespaces import PACKAGE, PIC, WP, A, M, R, W
from services.ingest.readers.shared.opc import Relation, Relations

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
NOTES = ("footnotes", "endnotes")
PREFIXES = {
    prefix: namespace.strip("{}")
    for prefix, namespace in {"w": W, "r": R, "m": M, "a": A, "wp": WP, "pic": PIC}.items()
}
"""Pandoc knows namespaces by what the root declares."""
NAMED = (
    *((f"{HEADING_STYLE}{level}", "paragraph", f"heading {level}") for level in range(1, MOST_HEADING + 1)),
    (CODE_STYLE, "paragraph", "Source Code"),
    (QUOTE_STYLE, "paragraph", "Block Text"),
    (CODE_LETTERS, "character", "Verbatim Char"),
)
"""Id, type and name of the styles that are left; Pandoc goes by the names."""


@dataclass(frozen=True)
class Package:
    """The parts of a DOCX that hold its text, as trees; absent ones are not in it.

    Args:
        parts: by their kind: `document`, `styles`, `numbering`, `footnotes`, `endnotes`.
        links: of each part, by id: what it refers to.
    """

    parts: dict[str, Element]
    links: dict[str, Relations]


class Packer:
    """Packs parts of a body.

    Args:
        package: the whole document; its body may be taken apart meanwhile.
        pictures: names of its pictures, for which small files stand in.
        lists: the lists of its paragraphs.
    """

    def __init__(self, package: Package, pictures: Sequence[str], lists: Lists) -> None:
        self._root = package.parts["document"]
        self._notes = {kind: package.parts[kind] for kind in NOTES if kind in package.parts}
        kinds = ["styles", "numbering", *self._notes]
        self._files = {
            "[Content_Types].xml": content_types(kinds),
            "_rels/.rels": rels({"r1": Relation("officeDocument", "word/document.xml")}),
            "word/styles.xml": etree.tostring(styles(package.parts.get("styles")), encoding="utf-8"),
            "word/numbering.xml": etree.tostring(numbering(lists), encoding="utf-8"),
            "word/_rels/document.xml.rels": rels(
                {
                    **package.links["document"],
                    **{f"sishu-{kind}": Relation(kind, f"{kind}.xml") for kind in kinds},
                }
            ),
            **{f"word/_rels/{kind}.xml.rels": rels(package.links[kind]) for kind in self._notes},
            **{f"word/{name}": b"-" for name in pictures},
        }

    def packed(self, body: Element) -> bytes:
        """A DOCX with a part of the body, and the notes that it refers to."""
        root = etree.Element(self._root.tag, nsmap={**self._root.nsmap, **PREFIXES})
        root.append(body)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in self._files.items():
                archive.writestr(name, data)
            archive.writestr("word/document.xml", etree.tostring(root, encoding="utf-8"))
            for kind, notes in self._notes.items():
                name = kind.removesuffix("s")
                wanted = {mark.get(f"{W}id") for mark in body.iter(f"{W}{name}Reference")}
                kept = etree.Element(notes.tag, nsmap={**notes.nsmap, **PREFIXES})
                kept.extend(deepcopy(note) for note in notes if note.get(f"{W}id") in wanted)
                archive.writestr(f"word/{kind}.xml", etree.tostring(kept, encoding="utf-8"))
        return buffer.getvalue()


def styles(found: Element | None) -> Element:
    """The styles of letters, which make words bold or raised, and those that the paragraphs were given."""
    root = etree.Element(f"{W}styles", nsmap={"w": W.strip("{}")})
    if found is not None:
        root.extend(style for style in list(found) if style.get(f"{W}type") == "character")
    for identity, kind, name in NAMED:
        style = etree.SubElement(root, f"{W}style")
        style.set(f"{W}type", kind)
        style.set(f"{W}styleId", identity)
        etree.SubElement(style, f"{W}name").set(f"{W}val", name)
    return root


def numbering(lists: Lists) -> Element:
    """The lists that are left: one of bullets, and plain numbers with their starts."""
    root = etree.Element(f"{W}numbering", nsmap={"w": W.strip("{}")})
    for identity, kind, text in ((BULLETS, "bullet", "-"), ("2", "decimal", "%{}.")):
        abstract = etree.SubElement(root, f"{W}abstractNum")
        abstract.set(f"{W}abstractNumId", identity)
        for depth in range(9):
            level = etree.SubElement(abstract, f"{W}lvl")
            level.set(f"{W}ilvl", str(depth))
            values = (("start", "1"), ("numFmt", kind), ("lvlText", text.format(depth + 1)))
            for name, said in values:
                etree.SubElement(level, f"{W}{name}").set(f"{W}val", said)
    number(root, BULLETS, BULLETS)
    for identity, depth, start in lists.starts:
        override = etree.SubElement(number(root, identity, "2"), f"{W}lvlOverride")
        override.set(f"{W}ilvl", str(depth))
        etree.SubElement(override, f"{W}startOverride").set(f"{W}val", str(start))
    return root


def number(root: Element, identity: str, kind: str) -> Element:
    """A list of a kind."""
    made = etree.SubElement(root, f"{W}num")
    made.set(f"{W}numId", identity)
    etree.SubElement(made, f"{W}abstractNumId").set(f"{W}val", kind)
    return made


def rels(links: Relations) -> bytes:
    """A file of relations."""
    root = etree.Element(f"{PACKAGE}Relationships", nsmap={None: PACKAGE.strip("{}")})
    for identity, link in links.items():
        kind = f"{R.strip('{}')}/{link.kind}"
        made = etree.SubElement(root, f"{PACKAGE}Relationship", Id=identity, Type=kind, Target=link.target)
        if link.is_outside:
            made.set("TargetMode", "External")
    return bytes(etree.tostring(root, encoding="utf-8"))


def content_types(kinds: Sequence[str]) -> bytes:
    """What the parts are."""
    overrides = "".join(
        f'<Override PartName="/word/{kind}.xml" ContentType="{WORD}.{kind}+xml"/>' for kind in kinds
    )
    return (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{WORD}.document.main+xml"/>{overrides}</Types>'
    ).encode()
