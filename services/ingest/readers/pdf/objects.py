"""What is drawn on a PDF page beside text: the lines of tables, and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, islice, repeat, tee
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium

from services.ingest.readers.pdf.calls import (
    address_of,
    count_form_objects,
    count_objects,
    form_object,
    object_type,
    page_object,
    pointer,
)
from services.ingest.readers.pdf.paths import (
    MOST_PATHS,
    SAME,
    Box,
    Matrix,
    bounds_of,
    lines_of,
    matrices_of,
)
from services.ingest.readers.pdf.tables import Rule
from services.ingest.readers.pdf.text import upright

MOST_OBJECTS = 100_000
"""Forms that hold forms that hold forms can make billions of objects of a small file."""
MOST_IN_FORM = 5000
MOST_DEPTH = 4
"""Forms within forms are followed so deep."""
DRAWN = {pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM}


@dataclass(frozen=True)
class Picture:
    """A picture on a page: PDFium's object and its box in points: left, top, right, bottom, page upright."""

    handle: int
    box: Box


@dataclass
class Things:
    """What is on a page beside text.

    Args:
        lines: boxes of level and upright lines, in points of the page as it is stored.
        pictures: PDFium's objects and their boxes.
        paths: how many paths there are.
    """

    lines: list[Box] = field(default_factory=list)
    pictures: list[tuple[int, Box]] = field(default_factory=list)
    paths: int = 0


@dataclass
class Drawn:
    """What is drawn on a page, in points of the upright page.

    Args:
        level: level lines.
        upright: upright lines.
        pictures: the pictures.
        paths: how many paths there are.
    """

    level: list[Rule] = field(default_factory=list)
    upright: list[Rule] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    paths: int = 0


def things_on(page: Any) -> Things:
    """Lines and pictures of a page, as PDFium has them."""
    things = Things()
    paths: list[int] = []
    matrices: list[Matrix] = []
    for kind, handle, matrix in islice(objects_of(page), MOST_OBJECTS):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            things.pictures.append((handle, bounds_of([pointer(handle)], [matrix])[0]))
        else:
            paths.append(handle)
            matrices.append(matrix)
    things.paths = len(paths)
    if 0 < len(paths) <= MOST_PATHS:
        things.lines = lines_of(paths, matrices)
    return things


def drawn_on(things: Things, bounds: Box, turns: int) -> Drawn:
    """Lines and pictures in points of the upright page.

    Args:
        things: what is on the page.
        bounds: left, bottom, right, top of the visible page in points.
        turns: by how many quarters to turn it clockwise.
    """
    drawn = Drawn(paths=things.paths)
    for left, top, right, bottom in turned(things.lines, bounds, turns):
        if right - left >= bottom - top:
            drawn.level.append(Rule((top + bottom) / 2, left, right))
        else:
            drawn.upright.append(Rule((left + right) / 2, top, bottom))
    boxes = turned([box for _, box in things.pictures], bounds, turns)
    for (handle, _), (left, top, right, bottom) in zip(things.pictures, boxes, strict=True):
        drawn.pictures.append(Picture(handle, (left, top, right, bottom)))
    return drawn


def turned(boxes: list[Box], bounds: Box, turns: int) -> list[list[float]]:
    """Boxes left, bottom, right, top of PDF as left, top, right, bottom of the upright page."""
    if not boxes:
        return []
    sides: list[list[float]] = upright([*np.array(boxes, np.float32).T], bounds, turns).tolist()
    return sides


def objects_of(page: Any) -> Iterator[tuple[int, int, Matrix]]:
    """Paths and pictures with the matrix of the form that holds them: type, handle, matrix."""
    handle = pointer(address_of(page.raw))
    return within(map(page_object, repeat(handle), range(count_objects(handle))), SAME, 0)


def within(handles: Iterable[int | None], matrix: Matrix, depth: int) -> Iterator[tuple[int, int, Matrix]]:
    """The paths and pictures among objects, and those in forms among them."""
    ones, others = tee(handles)
    kinds, same = tee(map(object_type, map(pointer, others)))
    for handle, kind in compress(zip(ones, kinds, strict=True), map(DRAWN.__contains__, same)):
        if handle is None:
            continue
        if kind != pdfium.FPDF_PAGEOBJ_FORM:
            yield kind, handle, matrix
        elif depth < MOST_DEPTH:
            form = pointer(handle)
            inside = range(min(count_form_objects(form), MOST_IN_FORM))
            yield from within(
                map(form_object, repeat(form), inside), matrices_of([form], [matrix])[0], depth + 1
            )
