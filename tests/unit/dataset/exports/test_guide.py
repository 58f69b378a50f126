"""Every shape, bundle, reason and variable of exports stands in docs/dataset.md, and none is invented."""

from __future__ import annotations

import re
from pathlib import Path

from services.dataset.exports.bundles import BUNDLES
from services.dataset.exports.shapes import SHAPES
from services.dataset.exports.shapes.shape import LEFT_OUT
from services.dataset.exports.shapes.templates import FILTERS, VARIABLES
from tests.support.reasons import ERRORS, reasons_of

ROOT = Path(__file__).parents[4]
GUIDE = (ROOT / "docs" / "dataset.md").read_text(encoding="utf-8").split("\n## Out\n")[1].split("\n## ")[0]
SHARED = {"FIELD_INVALID"}
"""Reasons of all rooms."""


def rows_of(heading: str) -> list[list[str]]:
    """The cells of a table under a heading."""
    section = GUIDE.split(f"\n### {heading}\n")[1].split("\n### ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_shape_is_told_of_as_it_is() -> None:
    told = [(name, kinds, ways) for name, _, kinds, ways in rows_of("Shapes")]
    assert told == [
        (name, ", ".join(shape.kinds), ", ".join(shape.reasoning)) for name, shape in SHAPES.items()
    ]


def test_every_bundle_is_told_of() -> None:
    assert [row[0] for row in rows_of("Bundles")] == list(BUNDLES)


def test_every_reason_to_be_left_out_is_told_of() -> None:
    assert {row[0]: row[1] for row in rows_of("Who is left out")} == LEFT_OUT


def test_every_reason_of_errors_is_told_of_and_no_other() -> None:
    files = (ROOT / "services" / "dataset" / "exports").rglob("*.py")
    found = {reason for path in files for reason in reasons_of(path, ERRORS)}
    assert {row[0] for row in rows_of("What can go wrong")} == found - SHARED


def test_every_variable_and_filter_of_columns_is_told_of() -> None:
    told = set(re.findall(r"`([a-z_]+)`", GUIDE.split("**Columns**")[1].split("**Files**")[0]))
    assert told - {"custom", "if", "for"} == VARIABLES.keys() | FILTERS.keys()
