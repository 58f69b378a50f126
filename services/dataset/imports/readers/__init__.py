"""Readers: one module a format, each with a function that gives the rows of a file; `FORMATS` says which."""

from __future__ import annotations

from pathlib import PurePosixPath

from services.dataset.imports.readers import columns, json, sheet, table, text
from services.dataset.imports.readers.reading import Reader, ReadOptions, Source
from services.dataset.imports.readers.streams import PACKED_ENDINGS, unpacked_name
from services.dataset.imports.rows import Rows
from services.runtime.errors import InvalidArgument

__all__ = ["FORMATS", "ReadOptions", "Source", "check_ending", "ending_of", "is_data", "read_rows"]

FORMATS: dict[str, Reader] = {
    ".json": json.read,
    ".jsonl": json.read,
    ".ndjson": json.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".tab": table.read,
    ".txt": text.read,
    ".xlsx": sheet.read,
    ".xlsm": sheet.read,
    ".parquet": columns.read_parquet,
    ".arrow": columns.read_arrow,
}
"""By the ending of the name, in which a packed file has another one after it."""


def ending_of(name: str) -> str:
    """How the name of a file ends, but for how it is packed, and for the sheet of a workbook."""
    return PurePosixPath(unpacked_name(name.partition("#")[0])).suffix.lower()


def is_data(name: str) -> bool:
    """Whether a file is one that can be read, by its name."""
    return ending_of(name) in FORMATS


def check_ending(name: str) -> None:
    """Refuse a file that cannot be read, by its name.

    Raises:
        InvalidArgument: files of its kind are not read.
    """
    ending = ending_of(name)
    if ending not in FORMATS:
        raise InvalidArgument(
            "FORMAT_UNSUPPORTED",
            f"{name}: files of kind {ending or '(no ending)'} hold no rows that can be read; use one "
            f"of {', '.join(FORMATS)}, also packed as {', '.join(PACKED_ENDINGS)}, or a .zip of them",
            name=name,
            ending=ending,
        )


def read_rows(source: Source) -> Rows:
    """The rows of a file.

    Raises:
        InvalidArgument: files of its kind are not read, or it cannot be.
    """
    check_ending(source.name)
    return FORMATS[ending_of(source.name)](source)
