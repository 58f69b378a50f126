"""Strategy `custom`: cut at given places."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting.options import SplitOptions, invalid


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut at the cut points.

    Raises:
        InvalidArgument: one is not inside of the text.
    """
    length = len(reading.text)
    behind = [point for point in options.cut_points if point >= length]
    if behind:
        raise invalid(
            "cut_points", f"cut point {behind[0]} is not inside of the text, which has {length} characters"
        )
    return between(options.cut_points, length)


def between(places: Iterable[int], end: int) -> list[Span]:
    """The parts of a text between places; none is empty."""
    return list(pairwise(sorted({0, end, *places})))
