"""What lies on a sheet beside its cells: pictures, text boxes, charts and notes, each at its row."""

from __future__ import annotations

import mimetypes
import zipfile
from collections.abc import Iterator

from lxml import etree

from services.ingest.readers.reading import Source
from services.ingest.readers.shared import archives, markdown, opc
from services.ingest.readers.shared.charts import chart_text
from services.ingest.readers.shared.diagrams import diagram_text
from services.ingest.readers.shared.drawing_text import lines_in
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.namespaces import MC

Placed = tuple[int, str]
"""A row from 0, and the Markdown that belongs there."""


def objects_of(archive: zipfile.ZipFile, part: str, source: Source, images: Images) -> list[Placed]:
    """The objects of a sheet in the order of their rows.

    Raises:
        InvalidArgument: a part that holds them is missing or damaged.
    """
    relations = opc.relations(archive, part, source)
    found: list[Placed] = []
    for drawing in opc.targets(relations, "drawing"):
        found += drawn(archive, drawing, source, images)
    for notes in opc.targets(relations, "comments"):
        found += noted(archives.xml(archives.read(archive, notes, source), source))
    return sorted(found, key=lambda placed: placed[0])


def drawn(archive: zipfile.ZipFile, part: str, source: Source, images: Images) -> Iterator[Placed]:
    """The objects of a drawing (ECMA-376-1, 20.5)."""
    relations = opc.relations(archive, part, source)
    said: set[etree._Element] = set()
    for anchor in archives.xml(archives.read(archive, part, source), source):
        row_text = anchor.findtext(".//{*}from/{*}row") or "0"
        row = int(row_text) if row_text.strip().isdigit() else 0
        for element in anchor.iter("{*}pic", "{*}sp", "{*}chart", "{*}relIds"):
            fallback = next(element.iterancestors(f"{MC}Fallback"), None)
            if fallback is not None and fallback.getparent() in said:
                continue
            if element.tag.endswith("}pic"):
                text = picture(archive, element, relations, source, images)
            elif element.tag.endswith("}sp"):
                text = markdown.paragraph(lines_in(element))
            else:
                text = referred(archive, element, relations, source)
            if text:
                said.update(element.iterancestors(f"{MC}AlternateContent"))
                yield row, text


def referred(
    archive: zipfile.ZipFile, element: etree._Element, relations: opc.Relations, source: Source
) -> str:
    """The words of a chart, whose data is in the cells, or of a diagram."""
    is_chart = element.tag.endswith("}chart")
    relation = relations.get(attribute(element, "id" if is_chart else "dm"))
    if relation is None or relation.is_outside:
        return ""
    root = archives.xml(archives.read(archive, relation.target, source), source)
    return chart_text(root, False) if is_chart else diagram_text(root)


def picture(
    archive: zipfile.ZipFile,
    element: etree._Element,
    relations: opc.Relations,
    source: Source,
    images: Images,
) -> str:
    """The reference to a picture that is in the file; its alternative text if it is not."""
    properties = element.find("{*}nvPicPr/{*}cNvPr")
    alt = properties.get("descr", "") if properties is not None else ""
    blip = element.find("{*}blipFill/{*}blip")
    relation = relations.get(attribute(blip, "embed")) if blip is not None else None
    if relation is None or relation.is_outside or relation.target not in archive.NameToInfo:
        return alt
    media_type = mimetypes.guess_type(relation.target)[0] or ""
    return images.keep(archives.read(archive, relation.target, source), media_type, alt)


def noted(root: etree._Element) -> Iterator[Placed]:
    """The notes on cells (ECMA-376-1, 18.7)."""
    for note in root.iter("{*}comment"):
        cell = note.get("ref", "")
        text = "".join(note.itertext("{*}t")).strip()
        row = "".join(filter(str.isdigit, cell))
        if text:
            yield int(row or 1) - 1, f"Note on {cell}: {markdown.paragraph(text)}"


def attribute(element: etree._Element, name: str) -> str:
    """An attribute that is a relation's id, whatever the namespace of relations is."""
    return next((str(value) for key, value in element.attrib.items() if key.endswith("}" + name)), "")
