"""What a reader takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from services.dataset.imports.rows import Rows


@dataclass(frozen=True)
class ReadOptions:
    """What a person says of files that they do not say themselves.

    Args:
        encoding: codec of texts without byte order mark; empty for the likeliest.
        field: key of the list in a JSON object; empty for the only one.
        sheet: name of the sheet of a workbook; empty for all that have rows.
    """

    encoding: str = ""
    field: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class Source:
    """A file to read.

    Args:
        path: where it lies.
        name: what it is called in messages and faults.
        folder: where a reader may put what it unpacks.
        options: what a person says of it.
    """

    path: Path
    name: str
    folder: Path
    options: ReadOptions = field(default_factory=ReadOptions)


Reader: TypeAlias = Callable[[Source], Rows]
