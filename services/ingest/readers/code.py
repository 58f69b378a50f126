"""Source code: the text as it is, in any encoding; the format says its language."""

from __future__ import annotations

from services.ingest.readers.text import read

__all__ = ["read"]
