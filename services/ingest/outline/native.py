"""The C of `c/` where it was compiled; where it was not, Python and numpy do the same."""

from __future__ import annotations

__all__ = ["scan"]

VERSION = 3
"""Of what is called from Python; what was compiled from older files is left aside."""

try:
    from services.ingest.outline import scan
except ImportError:
    scan = None  # type: ignore[assignment]
else:
    if getattr(scan, "VERSION", 1) != VERSION:
        scan = None  # type: ignore[assignment]
