"""The level and upright lines of the paths on a PDF page, of all paths together."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from operator import itemgetter

import numpy as np
import pypdfium2.raw as pdfium
from numpy.typing import NDArray

from services.ingest.readers.pdf.calls import (
    Answers,
    count_segments,
    draw_mode,
    object_bounds,
    object_matrix,
    path_segment,
    pointer,
    segment_close,
    segment_point,
    segment_type,
)

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]
SAME: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

MOST_PATHS = 5000
"""A page with more paths is a drawing; its lines are not looked at. Nor are more lines than this."""
MOST_SEGMENTS = 4000
SEGMENTS_AT_ONCE = 20_000
THIN = 2.5
"""A filled rectangle at most this thin, in points, is a line."""
SHORTEST = 6.0
"""A line shorter than this is an ornament."""
LEVEL = 0.5

MODES = Answers(np.int32, 2, apart=True)
BOUNDS = Answers(np.float32, 4, apart=True)
MATRICES = Answers(np.float32, 6)
POINTS = Answers(np.float32, 2, apart=True)


def lines_of(paths: Sequence[int], matrices: Sequence[Matrix]) -> list[Box]:
    """The lines of paths, as boxes left, bottom, right, top, in the order of the paths.

    Args:
        paths: PDFium's objects.
        matrices: of the forms that hold them.
    """
    handles = list(map(pointer, paths))
    modes = MODES.of(draw_mode, handles, count=len(paths)).tolist()
    found: list[tuple[int, Box]] = []
    stroked: list[int] = []
    for at, (box, (filled, stroke)) in enumerate(zip(bounds_of(handles, matrices), modes, strict=True)):
        width, height = box[2] - box[0], box[3] - box[1]
        if not (filled or stroke) or max(width, height) < SHORTEST or not all(map(math.isfinite, box)):
            continue
        if min(width, height) <= THIN:
            found.append((at, box))
        elif stroke:
            stroked.append(at)
    if stroked:
        drawn = stroked_lines([handles[at] for at in stroked], [matrices[at] for at in stroked])
        found += [(stroked[at], box) for at, box in drawn]
        found.sort(key=itemgetter(0))
    if len(found) > MOST_PATHS:
        last = found[MOST_PATHS][0]
        found = [one for one in found if one[0] <= last]
    return [box for _, box in found]


def bounds_of(handles: Sequence[ctypes.c_void_p], matrices: Sequence[Matrix]) -> list[Box]:
    """Left, bottom, right, top of objects."""
    sides = BOUNDS.of(object_bounds, handles, count=len(handles)).tolist()
    return [transformed(box, matrix) for box, matrix in zip(sides, matrices, strict=True)]


def transformed(box: Box, matrix: Matrix) -> Box:
    """The box of a box after a matrix."""
    if matrix is SAME:
        return box
    left, bottom, right, top = box
    a, b, c, d, e, f = matrix
    corners = [(a * x + c * y + e, b * x + d * y + f) for x in (left, right) for y in (bottom, top)]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return min(xs), min(ys), max(xs), max(ys)


def matrices_of(handles: Sequence[ctypes.c_void_p], outer: Sequence[Matrix]) -> list[Matrix]:
    """The matrices of objects, each with that of the form that holds it."""
    own = MATRICES.of(object_matrix, handles, count=len(handles)).tolist()
    return [times(one, other) for one, other in zip(own, outer, strict=True)]


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


def stroked_lines(
    handles: Sequence[ctypes.c_void_p], matrices: Sequence[Matrix]
) -> Iterator[tuple[int, Box]]:
    """The lines of paths that are stroked, each with the number of its path; few more than are wanted."""
    counts = [count if 0 < count <= MOST_SEGMENTS else 0 for count in map(count_segments, handles)]
    found = first = total = 0
    for at, count in enumerate([*counts, SEGMENTS_AT_ONCE]):
        total += count
        if total < SEGMENTS_AT_ONCE:
            continue
        part = slice(first, at + 1)
        for place, box in segment_lines(handles[part], counts[part], matrices[part]):
            yield first + place, box
            found += 1
        first, total = at + 1, 0
        if found > MOST_PATHS:
            return


def segment_lines(
    handles: Sequence[ctypes.c_void_p], counts: Sequence[int], matrices: Sequence[Matrix]
) -> list[tuple[int, Box]]:
    """The lines of the segments of paths, each with the number of its path."""
    ones = chain.from_iterable(map(repeat, handles, counts))
    segments = list(map(pointer, map(path_segment, ones, chain.from_iterable(map(range, counts)))))
    if not segments:
        return []
    starts, ends = sides_of(segments, counts)
    if not starts.size:
        return []
    owner = np.repeat(np.arange(len(counts)), counts)[ends]
    points = points_of(segments, np.array(matrices_of(handles, matrices))[owner], starts, ends)
    low, high = np.minimum(points[0], points[1]), np.maximum(points[0], points[1])
    width, height = (high - low).T
    lines = (np.minimum(width, height) <= LEVEL) & (np.maximum(width, height) >= SHORTEST)
    boxes = np.concatenate((low, high), axis=1)[lines].tolist()
    return [(at, (a, b, c, d)) for at, (a, b, c, d) in zip(owner[lines].tolist(), boxes, strict=True)]


def sides_of(
    segments: Sequence[ctypes.c_void_p], counts: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """At whose points the straight sides of paths start and end; -1 stands for where all paths start."""
    kinds = np.fromiter(map(segment_type, segments), np.int64, len(segments))
    closing = np.fromiter(map(segment_close, segments), np.bool_, len(segments))
    places = np.arange(len(segments))
    firsts = np.cumsum(counts) - counts
    moves = np.maximum.accumulate(np.where(kinds == pdfium.FPDF_SEGMENT_MOVETO, places, -1))
    begins = np.where(moves >= np.repeat(firsts, counts), moves, -1)
    here = np.empty_like(places)
    here[1:] = np.where(closing, begins, places)[:-1]
    here[firsts[np.array(counts) > 0]] = -1
    drawn = np.flatnonzero(kinds == pdfium.FPDF_SEGMENT_LINETO)
    closed = np.flatnonzero(closing)
    order = np.argsort(np.concatenate((2 * drawn, 2 * closed + 1)))
    # A closing side belongs to the segment that it follows; it is the same in both directions.
    return np.concatenate((here[drawn], begins[closed]))[order], np.concatenate((drawn, closed))[order]


def points_of(
    segments: Sequence[ctypes.c_void_p],
    matrices: NDArray[np.float64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Where sides start and end on the page; shape (2, sides, 2).

    Args:
        segments: of the paths.
        matrices: of each side; shape (sides, 6).
        starts: the segment at whose point each side starts; -1 for where all paths start.
        ends: the segment at whose point it ends, likewise.
    """
    needed = np.unique(np.concatenate((starts, ends)))
    needed = needed[needed >= 0]
    handles = [segments[at] for at in needed.tolist()]
    points = POINTS.of(segment_point, handles, count=len(handles)).astype(np.float64)
    x, y = points[np.searchsorted(needed, np.stack((starts, ends)))].transpose(2, 0, 1)
    a, b, c, d, e, f = matrices.T
    with np.errstate(over="ignore", invalid="ignore"):
        placed = np.stack((a * x + c * y + e, b * x + d * y + f), axis=2)
    placed[np.stack((starts, ends)) < 0] = 0.0
    return placed
