"""Strategy `separator`: cut behind each separator."""

from __future__ import annotations

import re

from services.ingest.outline import Span
from services.ingest.readers.reading import Reading
from services.ingest.splitting.custom import between
from services.ingest.splitting.options import SplitOptions
from services.ingest.splitting.structure import cut_larger


def spans(reading: Reading, options: SplitOptions) -> list[Span]:
    """Cut behind each separator, which stays with its piece; what is too large is cut on by structure."""
    # Where one separator starts with another, the longer one is meant.
    longest_first = sorted(options.separators, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(separator) for separator in longest_first))
    ends = [match.end() for match in pattern.finditer(reading.text)]
    return cut_larger(reading, options, between(ends, len(reading.text)))
