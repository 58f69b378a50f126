"""Pages as pictures, with a bounded number of pixels whatever size the page claims."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pypdfium2

from services.ingest.readers.pdf.open import opened, page_of
from services.ingest.readers.pdf.pictures import png_of
from services.ingest.readers.reading import Source

SCALE = 2.0
"""Pixels a point: 144 dots an inch."""
MOST_SIDE = 2000
"""Longest side in pixels."""


def scale_of(page: pypdfium2.PdfPage) -> float:
    """Pixels a point, so that the page is neither too large nor too small."""
    return float(min(SCALE, MOST_SIDE / max(*page.get_size(), 1.0)))


def render(source: Source, pages: Iterable[int], folder: Path) -> list[Path]:
    """Draw pages into `folder` as `NNNN.png`, numbered from 1.

    Raises:
        InvalidArgument: the file or a page cannot be read, or there is no such page.
    """
    folder.mkdir(exist_ok=True)
    written = []
    with opened(source) as pdf:
        for number in pages:
            page = page_of(pdf, number, source.name)
            path = folder / f"{number:04}.png"
            path.write_bytes(png_of(page.render(scale=scale_of(page), may_draw_forms=False)))
            page.close()
            written.append(path)
            source.alive()
    return written


def wanted_pages(source: Source, reader: str) -> list[int]:
    """Numbers of the pages for which a reader is chosen.

    Raises:
        InvalidArgument: the file cannot be read.
    """
    options = source.options
    with opened(source) as pdf:
        numbers = range(1, len(pdf) + 1)
    return [one for one in numbers if options.page_readers.get(one, options.page_reader) == reader]
