"""The C of `c/` where it was compiled; where it was not, `blocks_by_python` does the same."""

from __future__ import annotations

from typing import Any

from services.dataset.versions import blocks_by_python

__all__ = ["blocks", "compiled"]

VERSION = 3
"""Of what is called from Python; what was compiled from older files is left aside."""

compiled: Any
try:
    from services.dataset.versions import blocks as compiled
except ImportError:
    compiled = None
else:
    if getattr(compiled, "VERSION", 0) != VERSION:
        compiled = None

blocks: Any = compiled or blocks_by_python
"""Functions `split`, `study` and `pick`."""
