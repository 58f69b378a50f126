"""What docs/dataset.md says of filters is what there is."""

from __future__ import annotations

import re
from pathlib import Path

from sishu.cli.example_options import ExampleOptions
from sishu.dataset.v1.example_filter_pb2 import ExampleFilter

GUIDE = (Path(__file__).parents[3] / "docs" / "dataset.md").read_text(encoding="utf-8")


def cells(place: int) -> list[str]:
    """The names in a column of the table of filters."""
    rows = re.findall(r"^\| (`--[^|]*)\| ([^|]*)\|", GUIDE, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[place])]


def test_every_filter_is_told_of_with_its_option() -> None:
    assert sorted(cells(1)) == sorted(ExampleFilter.DESCRIPTOR.fields_by_name)
    assert len(cells(0)) == len(cells(1)) == len(ExampleOptions.__dataclass_fields__)
