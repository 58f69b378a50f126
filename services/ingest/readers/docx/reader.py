"""DOCX: mended, then read by Pandoc part by part, so that memory does not grow with the document."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from lxml import etree

from services.ingest.readers.docx.body import SPACE, mend
from services.ingest.readers.docx.comments import comments_of
from services.ingest.readers.docx.drawings import Drawings
from services.ingest.readers.docx.inserted import Inserted
from services.ingest.readers.docx.numbering import Numbering
from services.ingest.readers.docx.packing import NOTES, Package, Packer
from services.ingest.readers.docx.paragraphs import Lists
from services.ingest.readers.docx.styles import styles_of
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import archives, opc
from services.ingest.readers.shared.elements import Element
from services.ingest.readers.shared.html.images import Fetched
from services.ingest.readers.shared.html.markdown import markdown_of
from services.ingest.readers.shared.html.tree import parsed
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.namespaces import W
from services.ingest.readers.shared.pandoc import html_of
from services.runtime.errors import InvalidArgument

PART_BYTES = 1 << 20
"""How much XML Pandoc reads at a time; it takes about 170 bytes of memory for each."""
MOST_DEPTH = 3


def read(source: Source) -> Reading:
    """Convert to Markdown. Headers, footers and deleted text are left out.

    Raises:
        InvalidArgument: the file is damaged or encrypted, or holds no text.
    """
    return reading_of(source, 0)


def reading_of(source: Source, depth: int) -> Reading:
    """Read a document that is inserted so many deep in others.

    Raises:
        InvalidArgument: it cannot be read, or lies too deep.
    """
    if depth > MOST_DEPTH:
        raise InvalidArgument(
            "ARCHIVE_TOO_DEEP",
            f"{source.name}: documents inserted in documents are read {MOST_DEPTH} deep; put it beside them",
            name=source.name,
        )
    images = Images(source.folder)
    with archives.opened(source) as archive:
        package = opened_package(archive, source)
        drawings = Drawings(archive, package.links["document"], source)
        drawings.mark(package.parts["document"])
        inserted = Inserted(
            archive, package.links["document"], source, images, partial(reading_of, depth=depth + 1)
        )
        inserted.mark(package.parts["document"], drawings)
        pictures = name_pictures(package, set(archive.namelist()))

        def fetch(name: str) -> Fetched | None:
            return Fetched(archives.read(archive, pictures[name], source)) if name in pictures else None

        text = drawings.put(markdown_of(tree_of(package, list(pictures), source), images, fetch))
    return checked(Reading(text, images=images.placed(text)), source.name)


def opened_package(archive: zipfile.ZipFile, source: Source) -> Package:
    """The parts of an archive that hold the text.

    Raises:
        InvalidArgument: there is no document in it, or it is damaged.
    """
    names = set(archive.namelist())
    mains = opc.targets(opc.relations(archive, "", source), "officeDocument")
    main = next((name for name in mains if name in names), "word/document.xml")
    if main not in names:
        raise archives.unreadable(source, f"its part {main} is missing", main)
    parts = {"document": archives.xml(archives.read(archive, main, source), source)}
    links = {"document": opc.relations(archive, main, source)}
    for link in links["document"].values():
        if link.kind in {"styles", "numbering", "comments", *NOTES} and link.target in names:
            parts[link.kind] = archives.xml(archives.read(archive, link.target, source), source)
            links[link.kind] = opc.relations(archive, link.target, source)
    if parts["document"].find(f"{W}body") is None:
        raise archives.unreadable(source, f"its part {main} has no body", main)
    return Package(parts, links)


def name_pictures(package: Package, names: set[str]) -> dict[str, str]:
    """Give each picture a name for Pandoc, which sees no other part; return the paths by these names."""
    pictures: dict[str, str] = {}
    for part, links in package.links.items():
        kept = dict[str, opc.Relation]()
        for identity, link in links.items():
            if link.is_outside:
                kept[identity] = link
            elif link.kind == "image" and link.target in names:
                name = f"media/{len(pictures)}"
                pictures[name] = link.target
                kept[identity] = replace(link, target=name)
        package.links[part] = kept
    return pictures


def tree_of(package: Package, pictures: Sequence[str], source: Source) -> Element:
    """The document as one tree of HTML; its notes stand at its end.

    Raises:
        InvalidArgument: Pandoc cannot read it.
    """
    styles = styles_of(package.parts.get("styles"))
    comments = comments_of(package.parts.get("comments"))
    numbering, lists = Numbering(package.parts.get("numbering")), Lists()
    body = package.parts["document"].find(f"{W}body")
    for root in (body, *(package.parts[kind] for kind in NOTES if kind in package.parts)):
        mend(root, styles, numbering, lists, comments)
        lists.end()
    packer = Packer(package, pictures, lists)
    whole, notes = etree.Element("div"), etree.Element("div")
    for number, part in enumerate(cut(body)):
        page = parsed(html_of(packer.packed(part), "docx", source).replace(SPACE, " "))
        for section in set_apart(page, number):
            notes.append(section)
        whole.extend(list(page.find("body") if page.find("body") is not None else page))
    whole.append(notes)
    return whole


def cut(body: Element) -> Iterator[Element]:
    """The body in parts of `PART_BYTES`, each with whole blocks; only long lists are cut."""
    declared = sum(len(f'xmlns:{prefix}="{uri}" ') for prefix, uri in body.nsmap.items())
    part, size = etree.Element(f"{W}body"), 0
    for block in list(body):
        is_item = block.find(f"{W}pPr/{W}numPr") is not None
        if size > PART_BYTES and (not is_item or size > 2 * PART_BYTES):
            yield part
            part, size = etree.Element(f"{W}body"), 0
        size += len(etree.tostring(block, encoding="utf-8")) - declared
        part.append(block)
    yield part


def set_apart(page: Element, number: int) -> list[Element]:
    """Make the notes of a part unlike those of others; return the sections that hold them."""
    for element in page.iter("a", "li"):
        for name in ("id", "href"):
            if element.get(name, "").lstrip("#").startswith("fn"):
                element.set(name, f"{element.get(name)}-{number}")
    return [section for section in page.iter("section") if "footnotes" in section.get("class", "").split()]
