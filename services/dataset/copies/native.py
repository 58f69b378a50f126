"""The C of `c/` where it was compiled; where it was not, `by_numpy` does the same."""

from __future__ import annotations

from typing import Any

from services.dataset.copies import by_numpy

__all__ = ["compiled", "loops"]

VERSION = 3
"""Of what is called from Python; what was compiled from older files is left aside."""

compiled: Any
try:
    from services.dataset.copies import loops as compiled
except ImportError:
    compiled = None
else:
    if getattr(compiled, "VERSION", 0) != VERSION:
        compiled = None

loops: Any = compiled or by_numpy
"""Functions `sketch`, `keys`, `band`, `join` and `match`."""
