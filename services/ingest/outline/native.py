"""The C of `scan.c` where it was compiled; where it was not, Python and numpy do the same."""

from __future__ import annotations

try:
    from services.ingest.outline import scan
except ImportError:
    scan = None  # type: ignore[assignment]

__all__ = ["scan"]
