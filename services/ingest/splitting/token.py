"""Strategy `token`: cut after so many tokens, where both a token and a character end."""

from __future__ import annotations

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting.measure import ruler_of
from services.ingest.splitting.options import SplitOptions
from services.ingest.splitting.recursive import characters


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut after every `max_size` tokens."""
    return list(characters(ruler_of(reading.text, options), 0, len(reading.text)))
