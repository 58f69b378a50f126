"""Faults of rows: the first of them, how many there are, and when they are too many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from services.dataset.imports.rows import Fault
from services.runtime.errors import InvalidArgument

MOST_KEPT = 10_000
"""So many faults are kept with their rows; of more only the reasons are counted."""


@dataclass(frozen=True)
class Threshold:
    """How many bad rows are too many; an import with more brings nothing.

    Args:
        most_rows: so many may be bad; None for any number.
        most_share: such a share of all rows may be bad, 0 to 1.
    """

    most_rows: int | None = None
    most_share: float = 0.1


class Faults:
    """Faults, as they come.

    Args:
        threshold: how many are too many.
    """

    def __init__(self, threshold: Threshold) -> None:
        self._threshold = threshold
        self.kept: list[Fault] = []
        self.reasons: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are."""
        return self.reasons.total()

    def add(self, fault: Fault) -> None:
        """Take a fault.

        Raises:
            InvalidArgument: it is one too many.
        """
        self.reasons[fault.reason] += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(fault)
        most = self._threshold.most_rows
        if most is not None and self.count > most:
            raise self._too_many(f"more than {most} rows are bad")

    def check(self, rows: int) -> None:
        """Look at the end whether too many of some rows are bad.

        Raises:
            InvalidArgument: they are.
        """
        if self.count > self._threshold.most_share * rows:
            share = f"at most {self._threshold.most_share:.0%} may be"
            raise self._too_many(f"{self.count} of {rows} rows are bad, {share}", rows=str(rows))

    def _too_many(self, why: str, **known: str) -> InvalidArgument:
        """The error for too many bad rows."""
        first = self.kept[0]
        reasons = ", ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common(5))
        return InvalidArgument(
            "ROWS_BAD",
            f"{why}: {reasons}; the first is row {first.row} of {first.file}: {first.message}; mend "
            "them, or allow more (max_bad_rows, max_bad_share)",
            file=first.file,
            row=str(first.row),
            bad=str(self.count),
            bad_reasons=reasons,
            **known,
        )
