"""What is drawn on a PDF page beside text: the lines of tables, and pictures."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pypdfium2.raw as pdfium

from services.ingest.readers.pdf.tables import Rule
from services.ingest.readers.pdf.text import POINTER, address_of, quick, upright

MOST_PATHS = 5000
"""A page with more paths is a drawing; its lines are not looked at."""
MOST_OBJECTS = 100_000
"""Forms that hold forms that hold forms can make billions of objects of a small file."""
MOST_SEGMENTS = 4000
MOST_DEPTH = 4
"""Forms within forms are followed so deep."""
THIN = 2.5
"""A filled rectangle at most this thin, in points, is a line."""
SHORTEST = 6.0
"""A line shorter than this is an ornament."""
LEVEL = 0.5

INT, UINT = ctypes.c_int, ctypes.c_uint
page_object = quick(pdfium.FPDFPage_GetObject, POINTER, POINTER, INT)
form_object = quick(pdfium.FPDFFormObj_GetObject, POINTER, POINTER, ctypes.c_ulong)
object_type = quick(pdfium.FPDFPageObj_GetType, INT, POINTER)
object_bounds = quick(pdfium.FPDFPageObj_GetBounds, INT, *(POINTER,) * 5)
object_matrix = quick(pdfium.FPDFPageObj_GetMatrix, INT, POINTER, POINTER)
draw_mode = quick(pdfium.FPDFPath_GetDrawMode, INT, POINTER, POINTER, POINTER)
count_segments = quick(pdfium.FPDFPath_CountSegments, INT, POINTER)
path_segment = quick(pdfium.FPDFPath_GetPathSegment, POINTER, POINTER, INT)
segment_point = quick(pdfium.FPDFPathSegment_GetPoint, INT, POINTER, POINTER, POINTER)
segment_type = quick(pdfium.FPDFPathSegment_GetType, INT, POINTER)
segment_close = quick(pdfium.FPDFPathSegment_GetClose, INT, POINTER)

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]
SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


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
    for kind, handle, matrix in islice(objects_of(page), MOST_OBJECTS):
        if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            things.pictures.append((handle, transformed(bounds_of(handle), matrix)))
            continue
        things.paths += 1
        if things.paths <= MOST_PATHS and len(things.lines) <= MOST_PATHS:
            things.lines += lines_of(handle, matrix)
    if things.paths > MOST_PATHS:
        things.lines.clear()
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
    sides: list[list[float]] = upright(np.array(boxes, np.float32), bounds, turns).tolist()
    return sides


def objects_of(page: Any) -> Iterator[tuple[int, int, Matrix]]:
    """Paths and pictures with the matrix of the form that holds them: type, handle, matrix."""
    handle = address_of(page.raw)
    for at in range(pdfium.FPDFPage_CountObjects(page)):
        one = page_object(handle, at)
        if one:
            yield from within(one, SAME, 0)


def within(handle: int, matrix: Matrix, depth: int) -> Iterator[tuple[int, int, Matrix]]:
    """An object itself, or what is in a form."""
    kind = object_type(handle)
    if kind in {pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_IMAGE}:
        yield kind, handle, matrix
    elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < MOST_DEPTH:
        inner = times(matrix_of(handle), matrix)
        form = ctypes.cast(handle, pdfium.FPDF_PAGEOBJECT)
        for at in range(min(pdfium.FPDFFormObj_CountObjects(form), MOST_PATHS)):
            one = form_object(handle, at)
            if one:
                yield from within(one, inner, depth + 1)


def matrix_of(handle: int) -> Matrix:
    """The matrix of an object."""
    numbers = (ctypes.c_float * 6)()
    object_matrix(handle, ctypes.addressof(numbers))
    a, b, c, d, e, f = numbers
    return a, b, c, d, e, f


def times(one: Matrix, other: Matrix) -> Matrix:
    """The matrix that does one and then the other."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        e * h + f * j + m,
    )


def moved(point: tuple[float, float], matrix: Matrix) -> tuple[float, float]:
    """A point after a matrix."""
    x, y = point
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def bounds_of(handle: int) -> Box:
    """Left, bottom, right, top of an object."""
    sides = (ctypes.c_float * 4)()
    start = ctypes.addressof(sides)
    object_bounds(handle, start, start + 4, start + 8, start + 12)
    left, bottom, right, top = sides
    return left, bottom, right, top


def transformed(box: Box, matrix: Matrix) -> Box:
    """The box of a box after a matrix."""
    if matrix is SAME:
        return box
    left, bottom, right, top = box
    corners = [moved((x, y), matrix) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def lines_of(handle: int, matrix: Matrix) -> list[Box]:
    """The level and upright lines of a path, as boxes left, bottom, right, top."""
    mode, stroke = ctypes.c_int(), ctypes.c_int()
    draw_mode(handle, ctypes.addressof(mode), ctypes.addressof(stroke))
    if not mode.value and not stroke.value:
        return []
    box = transformed(bounds_of(handle), matrix)
    width, height = box[2] - box[0], box[3] - box[1]
    if not all(map(math.isfinite, box)) or max(width, height) < SHORTEST:
        return []
    if min(width, height) <= THIN:
        return [box]
    if not stroke.value:
        return []
    return stroked(handle, times(matrix_of(handle), matrix))


def stroked(handle: int, matrix: Matrix) -> list[Box]:
    """The level and upright lines of a path that is stroked."""
    count = count_segments(handle)
    if count > MOST_SEGMENTS:
        return []
    found: list[Box] = []
    start = here = (0.0, 0.0)
    x, y = ctypes.c_float(), ctypes.c_float()
    for at in range(count):
        segment = path_segment(handle, at)
        segment_point(segment, ctypes.addressof(x), ctypes.addressof(y))
        point = moved((x.value, y.value), matrix)
        kind = segment_type(segment)
        if kind == pdfium.FPDF_SEGMENT_LINETO:
            add_line(found, here, point)
        here = point
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        if segment_close(segment):
            add_line(found, here, start)
            here = start
    return found


def add_line(found: list[Box], one: tuple[float, float], other: tuple[float, float]) -> None:
    """Add the line between two points, unless it is slanted or short."""
    width, height = abs(one[0] - other[0]), abs(one[1] - other[1])
    if min(width, height) <= LEVEL and max(width, height) >= SHORTEST:
        found.append(
            (min(one[0], other[0]), min(one[1], other[1]), max(one[0], other[0]), max(one[1], other[1]))
        )
