"""Split entries into train, validation and exam, which ask for what train teaches, but never in its words.

A group of near copies stays on one side. A side that is held out takes one example of a group, the rest of
that group is left out: near copies would count one question twice. Documents are examined in proportion to
their size (largest remainder). Within a document those groups come first whose fact is asked in another form
in train. Where the entries have units, as those about one fact or one chunk, these stay on one side, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.dataset.versions.choosing import Budget, Chosen, Facts, Lists, Side, Units, choose
from services.dataset.versions.split_columns import (
    UNKNOWN,
    Columns,
    Flags,
    Longs,
    among,
    ascending,
    marked,
    numbered,
    stably,
    without_doubles,
)

Bytes: TypeAlias = npt.NDArray[np.int8]

TRAIN, VALIDATION, EXAM, LEFT_OUT = range(4)
NEAR_COPY = "NEAR_COPY"
EXAM_LIMIT = "EXAM_LIMIT"
SAME_UNIT = "SAME_UNIT"


@dataclass(frozen=True)
class Sides:
    """Rows by side, in seeded order, and those left out, by reason.

    Args:
        train: rows to train on.
        validation: rows to validate on.
        exam: rows to examine.
        dropped: rows left out: near copies of what is held out, exam items over the limit, and of a unit that
            is held out in part the rest.
        facts_in_train: exam items whose fact is asked in another form in train.
    """

    train: Longs
    validation: Longs
    exam: Longs
    dropped: Mapping[str, Longs]
    facts_in_train: int


class Groups:
    """Near copies of each other, and the units that they are in.

    Args:
        columns: all entries.
        rows: the rows that count.
    """

    def __init__(self, columns: Columns, rows: Longs) -> None:
        self.of_row, count = numbered(columns.groups[rows])
        self.sizes = np.bincount(self.of_row, minlength=count)
        self.first = first_of_groups(columns, rows, self.of_row, count)
        self.forced = columns.exam_only[self.first]
        self.places = columns.places[self.first]
        units = columns.groups if columns.units is None else columns.units
        self.unit, self.units = numbered(units[self.first])
        in_places = ascending(self.places)
        self.by_unit = in_places[stably(self.unit[in_places])]

    def __len__(self) -> int:
        return len(self.first)


def first_of_groups(columns: Columns, rows: Longs, of_row: Longs, count: int) -> Longs:
    """The row of each group that stands for it: the first that must not be trained on, or the first."""
    order = ascending(columns.places[rows])
    forced = columns.exam_only[rows][order]
    # Of those that are written to one place the last one stays.
    last_first = np.concatenate([order[forced], order[~forced]])[::-1]
    found = np.empty(count, np.int64)
    found[of_row[last_first]] = rows[last_first]
    return found


def split(columns: Columns, exam: Side, validation: Side | None = None) -> Sides:
    """Split entries; the same entries in another order give the same sides.

    Args:
        columns: the entries.
        exam: how much is examined; what must never be trained on comes first.
        validation: how much is validated on, chosen after the exam; nothing by default.
    """
    alive = within_limit(columns, exam.limit)
    rows = np.flatnonzero(alive)
    groups = Groups(columns, rows)
    sides = sides_of_groups(columns, rows, groups, (exam, validation or Side()))
    side = sides[groups.of_row]
    is_first = groups.first[groups.of_row] == rows
    held_out = (side == VALIDATION) | (side == EXAM)
    train = in_order(columns, rows[side == TRAIN])
    examined = in_order(columns, rows[(side == EXAM) & is_first])
    return Sides(
        train,
        in_order(columns, rows[(side == VALIDATION) & is_first]),
        examined,
        {
            NEAR_COPY: in_order(columns, rows[held_out & ~is_first]),
            EXAM_LIMIT: in_order(columns, np.flatnonzero(~alive)),
            SAME_UNIT: in_order(columns, rows[side == LEFT_OUT]),
        },
        facts_in_train(columns, train, examined),
    )


def within_limit(columns: Columns, limit: int) -> Flags:
    """Which entries are no exam items over the limit; those of one group count as one."""
    if not limit:
        return np.ones(len(columns), bool)
    group, count = numbered(columns.groups)
    firsts = np.full(count, len(columns))
    np.minimum.at(firsts, group[columns.exam_only], columns.places[columns.exam_only])
    over = np.sort(firsts)[limit] if len(firsts) > limit else len(columns)
    return ~columns.exam_only | (firsts[group] < over)


def in_order(columns: Columns, rows: Longs) -> Longs:
    """Rows by their places."""
    return rows[ascending(columns.places[rows])]


def facts_in_train(columns: Columns, train: Longs, exam: Longs) -> int:
    """Of exam items those whose fact train asks for, too."""
    asked = columns.facts[exam]
    return int(among(asked[asked != UNKNOWN], columns.facts[train]).sum())


def sides_of_groups(columns: Columns, rows: Longs, groups: Groups, wanted: Sequence[Side]) -> Bytes:
    """The side of every group, given how much goes to the exam and to validation."""
    units, count = units_from(columns, rows, groups)
    sides = np.full(len(groups), TRAIN, np.int8)
    budget = hold_out_forced(groups, sides, Budget.of(len(columns), wanted[0]))
    free = ~marked(groups.units, groups.unit[groups.forced])
    asked = np.flatnonzero(sides == EXAM)
    facts = Facts(units, free, columns.fact_codes[groups.first[asked]], count)
    for side, left in ((EXAM, budget), (VALIDATION, Budget.of(len(columns), wanted[1]))):
        chosen = choose(units, free, left, facts, whole=columns.units is None)
        move(groups, units, sides, chosen, side)
        free[chosen.units] = False
    return sides


def move(groups: Groups, units: Units, sides: Bytes, chosen: Chosen, side: int) -> None:
    """Put the first groups of chosen units on a side, and leave out the others."""
    asked = np.zeros(groups.units, np.int64)
    asked[chosen.units] = chosen.groups
    unit = groups.unit[groups.by_unit]
    mine = marked(groups.units, chosen.units)[unit]
    within = np.arange(len(groups)) - units.item_facts.ends[unit]
    sides[groups.by_unit[mine]] = np.where(within < asked[unit], side, LEFT_OUT)[mine]


def hold_out_forced(groups: Groups, sides: Bytes, budget: Budget) -> Budget:
    """Examine what must not be trained on, and what is in units with it while there is room; what is left."""
    costs = np.ones_like(groups.sizes) if budget.of_items else groups.sizes
    sides[groups.forced] = EXAM
    budget = budget.less(int(costs[groups.forced].sum()))
    beside = np.flatnonzero(np.isin(groups.unit, groups.unit[groups.forced]) & ~groups.forced)
    for group in beside[np.argsort(groups.places[beside])].tolist():
        fits = costs[group] <= budget.size
        sides[group] = EXAM if fits else LEFT_OUT
        budget = budget.less(int(costs[group])) if fits else budget
    return budget


def units_from(columns: Columns, rows: Longs, groups: Groups) -> tuple[Units, int]:
    """The units of groups, and the number of known facts."""
    by_unit, count = groups.by_unit, groups.units
    unit = groups.unit[by_unit]
    items = np.bincount(unit, minlength=count)
    leaders = groups.first[by_unit][np.cumsum(items) - items]
    facts = columns.fact_codes
    width = int(facts.max(initial=UNKNOWN)) + 1
    row_units, row_facts = groups.unit[groups.of_row], facts[rows]
    known = row_facts != UNKNOWN
    pairs = without_doubles(row_units[known] * max(1, width) + row_facts[known])
    units = Units(
        key=columns.places[leaders],
        entries=np.bincount(row_units, minlength=count),
        items=items,
        stratum=columns.strata[leaders],
        facts=Lists(pairs // max(1, width), pairs % max(1, width), count),
        item_facts=Lists(unit, facts[groups.first[by_unit]], count),
        group_sizes=Lists(unit, groups.sizes[by_unit], count),
    )
    return units, width
