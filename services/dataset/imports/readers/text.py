"""Plain text: a row a line, as pretraining files have it."""

from __future__ import annotations

from services.dataset.imports.readers.json import long_line
from services.dataset.imports.readers.reading import Source
from services.dataset.imports.readers.streams import opened_text
from services.dataset.imports.rows import MOST_ROW_BYTES, BadRow, Rows


def read(source: Source) -> Rows:
    """The lines that are not blank, as the column `text`.

    Raises:
        InvalidArgument: the file is damaged or made to swell, or no encoding fits.
    """
    number, most = 0, MOST_ROW_BYTES + 2
    with opened_text(source.path, source.name, source.options.encoding) as stream:
        while line := stream.readline(most):
            number += 1
            if len(line) >= most - 1 and not line.endswith(b"\n"):
                yield number, long_line(stream, most)
            elif not line.isspace():
                try:
                    yield number, {"text": line.rstrip(b"\r\n").decode()}
                except UnicodeDecodeError as error:
                    yield number, damaged_line(error.start)


def damaged_line(place: int) -> BadRow:
    """The fault of a line whose bytes are no text."""
    return BadRow(
        "TEXT_INVALID",
        f"byte {place + 1} of the row is none of the file's encoding; mend it, and save as UTF-8",
    )
