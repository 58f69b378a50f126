"""Which shape the rows of a file have, by the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.dataset.imports.rows import BadRow, Row
from services.dataset.imports.shapes.table import FIRST, OTHERS, QUESTION_ANSWER, Shape, question_columns
from services.runtime.errors import InvalidArgument

ROWS = 100
"""So many rows tell the shape."""


def detected(rows: Sequence[Row], name: str) -> Shape:
    """The shape of the first rows of a file; those that have none become faults later.

    Raises:
        InvalidArgument: no row has one, a row has several, or two rows have different ones.
    """
    seen: dict[str, int] = {}
    found: dict[str, Shape] = {}
    for number, row in rows:
        if isinstance(row, BadRow):
            continue
        fitting = shapes_of(row)
        if len(fitting) > 1:
            raise ambiguous(name, f"row {number} fits {' and '.join(one.name for one in fitting)}")
        for one in fitting:
            seen.setdefault(one.name, number)
            found.setdefault(one.name, one)
    if not found:
        raise unknown(rows, name)
    if len(found) > 1:
        raise ambiguous(name, " and ".join(f"row {number} looks like {one}" for one, number in seen.items()))
    return next(iter(found.values()))


def shapes_of(row: Mapping[str, Any]) -> list[Shape]:
    """The shapes that a row fits, without those that say less."""
    first = next((one for one in FIRST if one.fits(row)), None)
    if first:
        return [first]
    fitting = [one for one in OTHERS if one.fits(row)]
    strong = [one for one in fitting if not one.yields]
    if strong:
        return strong
    columns = question_columns(row)
    return [replace(QUESTION_ANSWER, columns=columns)] if columns else fitting


def ambiguous(name: str, why: str) -> InvalidArgument:
    """The error for rows that can be read in two ways."""
    return InvalidArgument(
        "SHAPE_AMBIGUOUS", f"{name}: {why}; say which shape the rows have (shape)", "shape", name=name
    )


def unknown(rows: Sequence[Row], name: str) -> InvalidArgument:
    """The error for rows of no known shape."""
    columns = next((list(row) for _, row in rows if not isinstance(row, BadRow)), [])
    faults = [row for _, row in rows if isinstance(row, BadRow)]
    if not columns and faults:
        why = f"none of the first rows can be read: {faults[0].message}"
    elif not columns:
        return InvalidArgument("FILE_EMPTY", f"{name}: the file holds no rows; send another", name=name)
    else:
        why = f"rows with the columns {', '.join(columns)} are of no known shape"
    return InvalidArgument(
        "SHAPE_UNKNOWN",
        f"{name}: {why[:500]}; say what is in which column (columns), such as instruction=question "
        "and answer=reply",
        "shape",
        name=name,
    )
