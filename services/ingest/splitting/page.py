"""Strategy `page`: a chunk is a page."""

from __future__ import annotations

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting import structure
from services.ingest.splitting.custom import between
from services.ingest.splitting.options import SplitOptions


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut at pages, whatever their size; a text without pages by structure. An empty page is none."""
    if not reading.page_starts:
        return structure.spans(reading, options)
    length = len(reading.text)
    # What stands before the first page goes with it.
    return between([start for start in reading.page_starts[1:] if start < length], length)
