"""Split texts: one module a strategy; together the chunks are the text, character for character."""

from __future__ import annotations

from services.ingest.splitting.options import DEFAULT_MAX, DEFAULT_MIN, SplitOptions
from services.ingest.splitting.strategies import split, split_reading

__all__ = ["DEFAULT_MAX", "DEFAULT_MIN", "SplitOptions", "split", "split_reading"]
