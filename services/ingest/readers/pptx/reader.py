"""PPTX: each slide a section and a page; its shapes from top to bottom, then its notes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

import pptx
from lxml import etree
from pptx.opc.package import Part
from pptx.shapes.base import BaseShape
from pptx.shapes.graphfrm import GraphicFrame
from pptx.shapes.group import GroupShape
from pptx.slide import Slide

from services.ingest.readers.pptx.text import frame_text, list_styles, paragraph_text, paragraphs_of
from services.ingest.readers.reading import Reading, Source, checked
from services.ingest.readers.shared import archives, markdown
from services.ingest.readers.shared.charts import chart_text
from services.ingest.readers.shared.diagrams import diagram_text
from services.ingest.readers.shared.drawing_text import lines_in
from services.ingest.readers.shared.images import Images
from services.ingest.readers.shared.namespaces import MC, R
from services.ingest.readers.shared.strict import loosened_copy
from services.ingest.readers.shared.text_builder import TextBuilder
from services.runtime.errors import InvalidArgument

SAME_LINE = 137_160
"""Shapes whose tops differ by less than 0.15 inch stand beside each other; in English Metric Units."""
SLIDE_NUMBER = "sldNum"


def read(source: Source) -> Reading:
    """Convert to Markdown, hidden slides too.

    Raises:
        InvalidArgument: the file is damaged or encrypted, or holds no text, or too much.
    """
    builder, images, pages = TextBuilder(source), Images(source.folder), list[int]()
    with archives.opened(source) as archive:
        archives.check_markup(archive, source)
        try:
            with loosened_copy(archive, str(source.folder)) as copy:
                for slide in pptx.Presentation(copy or str(source.path)).slides:
                    places = [builder.add_block(block) for block in blocks_of(slide, images, source) if block]
                    pages.append(places[0] if places else builder.length)
        except (MemoryError, InvalidArgument):
            raise
        except Exception as error:
            # The library follows the file's references, and fails in its own way wherever one is wrong.
            raise archives.unreadable(source, f"slide {len(pages) + 1}: {error}") from error
    text = builder.text()
    return checked(Reading(text, pages, images=images.placed(text)), source.name)


def blocks_of(slide: Slide, images: Images, source: Source) -> Iterator[str]:
    """The Markdown of a slide: its title, its shapes, its notes, and comments on it."""
    choose_alternatives(slide.shapes._spTree, slide.part)
    title = slide.shapes.title
    if title is not None:
        yield markdown.heading(2, title_text(title))
    others = (shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id)
    for shape in in_reading_order(others):
        yield from shape_blocks(shape, images, source)
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = slide.notes_slide.notes_text_frame.text.strip()
        yield markdown.paragraph(f"Notes: {one_line_end(notes)}") if notes else ""
    for comment in related(slide.part, "comments"):
        for words in archives.xml(comment.blob, source).iter("{*}text", "{*}txBody"):
            yield markdown.paragraph(f"Comment: {lines_in(words)}")


def title_text(title: BaseShape) -> str:
    """The words of a title, with its links and formulas."""
    links = links_of(title.part)
    return " ".join(paragraph_text(one, links) for one in title._element.iterfind("{*}txBody/{*}p"))


def choose_alternatives(tree: etree._Element, part: Part) -> None:
    """Put the first of alternative shapes that can be read in the place of all; the library skips them."""
    for alternatives in list(tree.iter(f"{MC}AlternateContent")):
        parent = alternatives.getparent()
        sides = list(alternatives)
        choice = next((side for side in sides if can_be_read(side, part)), sides[0] if sides else None)
        if choice is not None and etree.QName(parent).localname in {"spTree", "grpSp"}:
            for shape in choice:
                alternatives.addprevious(shape)
            parent.remove(alternatives)


def can_be_read(side: etree._Element, part: Part) -> bool:
    """Whether an alternative holds text, a table, a picture, or an object that is in the file."""
    objects = [one.get(f"{R}id") or one.get(f"{R}dm") for one in side.iter("{*}chart", "{*}relIds")]
    if any(one in part.rels for one in objects):
        return True
    return next(side.iter("{*}t", "{*}blip"), None) is not None


def in_reading_order(shapes: Iterable[BaseShape]) -> list[BaseShape]:
    """Shapes from top to bottom, and from left to right where they stand beside each other."""
    by_top = sorted(shapes, key=lambda shape: shape.top or 0)
    lines: list[list[BaseShape]] = []
    for shape in by_top:
        if lines and (shape.top or 0) - (lines[-1][0].top or 0) < SAME_LINE:
            lines[-1].append(shape)
        else:
            lines.append([shape])
    return [shape for line in lines for shape in sorted(line, key=lambda one: one.left or 0)]


def shape_blocks(shape: BaseShape, images: Images, source: Source) -> Iterator[str]:
    """The Markdown of a shape, and of those in it."""
    if isinstance(shape, GroupShape):
        for inner in in_reading_order(shape.shapes):
            yield from shape_blocks(inner, images, source)
        return
    yield pictures(shape, images)
    if isinstance(shape, GraphicFrame) and shape.has_table:
        yield table_of(shape)
    elif isinstance(shape, GraphicFrame) and shape.has_chart:
        yield chart_text(shape.chart._chartSpace)
    elif chart := related_by(shape, "{*}chart", "id"):
        yield chart_text(archives.xml(chart.blob, source))
    elif diagram := related_by(shape, "{*}relIds", "dm"):
        yield diagram_text(archives.xml(diagram.blob, source))
    elif shape.has_text_frame and not is_slide_number(shape):
        body = shape._element.find("{*}txBody")
        if body is not None:
            yield frame_text(paragraphs_of(body, list_styles(shape), links_of(shape.part)))


def is_slide_number(shape: BaseShape) -> bool:
    """Whether a shape holds nothing but the number of the slide."""
    kind = shape._element.find(".//{*}nvPr/{*}ph")
    return kind is not None and kind.get("type") == SLIDE_NUMBER


def pictures(shape: BaseShape, images: Images) -> str:
    """The pictures that a shape shows or is filled with."""
    described = shape._element.find(".//{*}cNvPr")
    alt = described.get("descr", "") if described is not None else ""
    part = related_by(shape, "{*}blip", "embed")
    if part is None:
        return alt if etree.QName(shape._element).localname == "pic" else ""
    return images.keep(part.blob, part.content_type, alt)


def table_of(shape: GraphicFrame) -> str:
    """A table; of merged cells the first holds the text."""
    links = links_of(shape.part)
    rows = []
    for row in shape.table.rows:
        cells = (
            "" if cell.is_spanned else frame_text(paragraphs_of(cell._tc.txBody, [], links))
            for cell in row.cells
        )
        rows.append([cell.replace("\n\n", "\n") for cell in cells])
    return markdown.table(rows)


def related_by(shape: BaseShape, element: str, attribute: str) -> Part | None:
    """The part that the first element of a name in a shape refers to, if it is in the file."""
    found = shape._element.find(f".//{element}")
    relation_id = found.get(f"{R}{attribute}", "") if found is not None else ""
    relation = shape.part.rels.get(relation_id) if relation_id else None
    return None if relation is None or relation.is_external else relation.target_part


def related(part: Part, kind: str) -> Iterator[Part]:
    """The parts of a kind that a part refers to."""
    for relation in part.rels.values():
        if not relation.is_external and posixpath.basename(relation.reltype) == kind:
            yield relation.target_part


def links_of(part: Part) -> Mapping[str, str]:
    """The addresses that a part refers to, by relation id."""
    return {key: one.target_ref for key, one in part.rels.items() if one.is_external}


def one_line_end(text: str) -> str:
    r"""The text with `\n` for the library's mark of a line break."""
    return text.replace("\v", "\n")
