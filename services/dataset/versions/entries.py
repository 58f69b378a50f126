"""What a plan needs to know of examples, as columns of numbers: a million of them are some 100 MB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from services.dataset.examples.examples import KINDS
from services.dataset.versions.split_columns import UNKNOWN, Flags, Longs

TRAIN_ONLY = (KINDS.index("preference"), KINDS.index("pretraining"))
"""Kinds of examples that no exam can ask."""
EXAM_ITEM = KINDS.index("exam_item")


@dataclass(frozen=True)
class Pairs:
    """Values of rows that have several: a row of `rows` and `codes` for each."""

    rows: Longs
    codes: Longs


@dataclass(frozen=True)
class Entries:
    """Examples by their ids, a row each.

    Args:
        places: seeded numbers of 64 bits that hang on what the examples say.
        kinds: codes of `KINDS`.
        wordings: equal for questions that are the same, case and blanks aside.
        facts: equal for all forms of a question about one fact; -1 when unknown.
        characters: length of all that is said.
        values: codes of the values of facets that have one, -1 for none.
        pairs: those of facets that have several, and of `chunk`.
        names: the values of each facet by their codes.
    """

    places: npt.NDArray[np.uint64]
    kinds: npt.NDArray[np.int8]
    wordings: Longs
    facts: Longs
    characters: Longs
    values: Mapping[str, Longs] = field(default_factory=dict)
    pairs: Mapping[str, Pairs] = field(default_factory=dict)
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def exam_only(self) -> Flags:
        """Which must never be trained on."""
        found: Flags = self.kinds == EXAM_ITEM
        return found

    @property
    def train_only(self) -> Flags:
        """Which no exam can ask."""
        found: Flags = np.isin(self.kinds, TRAIN_ONLY)
        return found

    @cached_property
    def ranks(self) -> Longs:
        """The place of each among all; ids tell equal places apart."""
        ranks = np.empty(len(self), np.int64)
        ranks[np.argsort(self.places, kind="stable")] = np.arange(len(self))
        return ranks

    def first_value(self, facet: str) -> Longs:
        """One value of each row; -1 for none."""
        if facet in self.values:
            return self.values[facet]
        found = np.full(len(self), UNKNOWN, np.int64)
        pairs = self.pairs[facet]
        found[pairs.rows[::-1]] = pairs.codes[::-1]
        return found

    def all_values(self, facet: str) -> Pairs:
        """All values of all rows."""
        if facet in self.pairs:
            return self.pairs[facet]
        codes = self.values[facet]
        known = np.flatnonzero(codes != UNKNOWN)
        return Pairs(known, codes[known])


class Coder:
    """Numbers the values of a facet in the order in which they come."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def code(self, value: str | None) -> int:
        """The number of a value; -1 for an empty one."""
        return self.numbers.setdefault(value, len(self.numbers)) if value else UNKNOWN

    def codes(self, column: pa.Array) -> Longs:
        """The numbers of the values of a column."""
        found = column.dictionary_encode()
        table = np.array([self.code(value) for value in found.dictionary.to_pylist()] + [UNKNOWN], np.int64)
        numbers: Longs = table[found.indices.fill_null(len(table) - 1).to_numpy()]
        return numbers


def listed(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The distinct lists of a column of JSON lists, and which each row has; no text is an empty list."""
    found = pc.fill_null(column, "").dictionary_encode()
    lists = [orjson.loads(text or "[]") for text in found.dictionary.to_pylist()]
    return pa.array(lists, pa.list_(pa.string())), found.indices


def pairs_of(lists: pa.Array, indices: pa.Array, coder: Coder, start: int) -> Pairs:
    """The values of rows from `start` on, whose lists are given by `listed`."""
    numbers = [[coder.code(value) for value in each] for each in lists.to_pylist()]
    counts = np.array([len(each) for each in numbers], np.int64)
    flat = np.array([code for each in numbers for code in each], np.int64)
    starts = np.cumsum(counts) - counts
    chosen = indices.to_numpy()
    sizes = counts[chosen]
    rows = np.repeat(np.arange(len(chosen)), sizes)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Pairs(rows + start, flat[starts[chosen][rows] + within] if len(rows) else flat[:0])
