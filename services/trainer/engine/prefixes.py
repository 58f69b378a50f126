"""What rows of a pack begin with, computed once.

Rows of a chat template begin alike, with its header and the system prompt, which may be a quarter of a short
row; the two answers of a preference have their prompt in common. What a causal model computes at a token
depends on nothing that follows. So a pack holds a beginning once, before all rows that go on from it, and the
gradients of these rows flow into it. Beginnings make a tree: rows that have more in common branch off later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from torch import nn

LEAST = 8
"""Tokens that rows must have in common; for fewer it is not worth while to lay keys together."""
_LEAST_SHARE = 1 / 32
"""Share of a pack's tokens that must be spared; below, laying keys together may cost what is won."""


class Part(NamedTuple):
    """Tokens that lie together in a pack."""

    row: int
    """One of the rows that have them."""
    start: int
    """Their place in it."""
    end: int
    origin: int = -1
    """Number of the part that they go on from; -1 where they begin rows."""


class Layout(NamedTuple):
    """How rows lie in a pack."""

    parts: list[Part]
    """Each after the one that it goes on from; none is empty."""
    last: list[int]
    """Of each row the number of the part that it ends with."""

    def path(self, row: int) -> list[int]:
        """The parts that make up a row, from its beginning."""
        found = []
        number = self.last[row]
        while number >= 0:
            found.append(number)
            number = self.parts[number].origin
        return found[::-1]


def whole(rows: Sequence[Sequence[int]]) -> Layout:
    """Rows as they are."""
    return Layout([Part(row, 0, len(ids)) for row, ids in enumerate(rows)], list(range(len(rows))))


def shared(rows: Sequence[Sequence[int]]) -> Layout:
    """What rows have in common once, where that spares enough."""
    found = _Tree(rows).layout
    tokens = sum(len(ids) for ids in rows)
    computed = sum(part.end - part.start for part in found.parts)
    return found if tokens - computed >= max(1.0, tokens * _LEAST_SHARE) else whole(rows)


class _Tree:
    def __init__(self, rows: Sequence[Sequence[int]]) -> None:
        self._rows = [np.asarray(ids) for ids in rows]
        self.layout = Layout([], [-1] * len(rows))
        # Of rows in order, neighbours have the most in common.
        order = sorted(range(len(rows)), key=lambda row: list(rows[row]))
        alike = [self._common(one, other) for one, other in pairwise(order)]
        self._grow(order, [0, *alike], 0, -1)

    def _common(self, one: int, other: int) -> int:
        length = min(len(self._rows[one]), len(self._rows[other]))
        unlike = self._rows[one][:length] != self._rows[other][:length]
        return int(unlike.argmax()) if unlike.any() else length

    def _grow(self, order: list[int], alike: list[int], depth: int, origin: int) -> None:
        """Add what rows have after `depth` tokens; `alike` is what each has in common with the one before."""
        for first, end in _runs(alike, depth + LEAST):
            common = min(alike[first + 1 : end], default=len(self._rows[order[first]]))
            number = self._add(order[first], depth, common, origin)
            if end - first == 1:
                self.layout.last[order[first]] = number
            else:
                self._grow(order[first:end], [0, *alike[first + 1 : end]], common, number)

    def _add(self, row: int, start: int, end: int, origin: int) -> int:
        if start == end:
            # The row ends with what others go on from.
            return origin
        self.layout.parts.append(Part(row, start, end, origin))
        return len(self.layout.parts) - 1


def _runs(alike: list[int], least: int) -> Iterator[tuple[int, int]]:
    """Where rows that have as much in common with the one before begin, and where they end."""
    first = 0
    for place in range(1, len(alike) + 1):
        if place == len(alike) or alike[place] < least:
            yield first, place
            first = place


def draws_at_random(module: nn.Module, config: Any) -> bool:
    """Tell whether anything in a model that trains draws for each token anew: dropout, or noise of a router.

    Rows that share tokens would share these draws too.

    Args:
        module: the model, with its adapters.
        config: of transformers, where some models look when they compute.
    """
    named = [(type(each).__name__, *item) for each in module.modules() for item in vars(each).items()]
    named += [("", *item) for item in vars(config.get_text_config()).items()]
    return any(
        isinstance(value, float) and value > 0 and _is_chance(kind, name) for kind, name, value in named
    )


def _is_chance(kind: str, name: str) -> bool:
    if name.startswith(("classifier", "summary")):
        # Of heads that no causal model has.
        return False
    return "drop" in name or "jitter" in name or (name == "p" and "dropout" in kind.lower())
