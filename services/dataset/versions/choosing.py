"""Which units of a split are held out: of each stratum in proportion, best what train asks in another form.

A unit is what stays on one side: a group of near copies, or the groups about one fact or chunk. A group gives
one item, its first entry: near copies would count one question twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from services.dataset.versions.native import blocks
from services.dataset.versions.split_columns import UNKNOWN, Flags, Longs, ascending, marked, numbered, stably

NO_LIMIT = -1


@dataclass(frozen=True)
class Side:
    """How much is held out.

    Args:
        share: share of all entries, 0 to 0.9, near copies of its items included; at least one entry unless 0.
        count: number of items, in place of the share; 0 means that the share counts.
        most: most items; 0 means no limit.
    """

    share: float = 0.0
    count: int = 0
    most: int = 0

    @property
    def limit(self) -> int:
        """Most items; 0 means no limit."""
        return min(filter(None, (self.count, self.most)), default=0)


@dataclass(frozen=True)
class Budget:
    """How much goes to a side: so many entries, near copies included, or so many items."""

    size: int
    of_items: bool

    @classmethod
    def of(cls, entries: int, side: Side) -> Budget:
        """What a side wants of so many entries."""
        held_out = max(1, math.floor(entries * side.share + 0.5)) if side.share else 0
        if side.count or 0 < side.most < held_out:
            return cls(side.limit, True)
        return cls(held_out, False)

    def less(self, size: int) -> Budget:
        """What is left of it."""
        return replace(self, size=max(0, self.size - size))


@dataclass(frozen=True)
class Units:
    """Units, as columns; `key` is the place of a unit among all.

    Args:
        key: the first place of its entries.
        entries: how many it has.
        items: how many groups it has.
        stratum: what it is held out in proportion of.
        facts: codes of the facts that each asks for.
        item_facts: the fact of each of its items, -1 where unknown.
        group_sizes: entries of each of its groups.
    """

    key: Longs
    entries: Longs
    items: Longs
    stratum: Longs
    facts: Lists
    item_facts: Lists
    group_sizes: Lists

    def __len__(self) -> int:
        return len(self.key)

    def costs(self, budget: Budget) -> Longs:
        """What each takes of a budget."""
        return self.items if budget.of_items else self.entries

    @property
    def order(self) -> Longs:
        """Those without near copies first."""
        order = ascending(self.key)
        return order[stably((self.entries - self.items)[order])]


class Lists:
    """A list of numbers for each of many owners, in two columns."""

    def __init__(self, owners: Longs, numbers: Longs, count: int) -> None:
        """Lists by ascending owners, 0 to `count`."""
        self.sizes = np.bincount(owners, minlength=count).astype(np.int64)
        self.ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes)])
        self.numbers = np.ascontiguousarray(numbers, np.int64)

    def __getitem__(self, owner: int) -> Longs:
        return self.numbers[self.ends[owner] : self.ends[owner + 1]]

    def of(self, owners: Flags) -> Longs:
        """The numbers of some of the owners."""
        return self.numbers[np.repeat(owners, self.sizes)]


class Facts:
    """How many units on either side ask for a fact, while units move out of train."""

    def __init__(self, units: Units, free: Flags, asked: Longs, count: int) -> None:
        """Facts of units that are free, and those that are examined at all events; `count` facts are known.

        The last place stands for the unknown fact, which train never asks for.
        """
        self.units = units
        self.train = np.bincount(units.facts.of(free), minlength=count + 1).astype(np.int64)
        self.held = np.bincount(asked[asked != UNKNOWN], minlength=count + 1).astype(np.int64)

    def move(self, unit: int, groups: int) -> None:
        """Note that a unit leaves train, and that so many of its groups are asked."""
        np.subtract.at(self.train, self.units.facts[unit], 1)
        np.add.at(self.held, self.units.item_facts[unit][:groups], 1)

    def pick(self, members: Longs, size: int, costs: Longs, slack: int, most: int = NO_LIMIT) -> Longs:
        """Units in their order, those of better tiers first, that cost at most `slack` times what is left.

        A unit is as good as tier 0 where its fact is asked in train, too, and not held out yet; 1: its fact
        is asked in train, too; 2: no fact that is held out is left to this unit alone; 3: any.

        Args:
            members: what there is.
            size: what they may cost together.
            costs: of each unit.
            slack: by how much a unit may be larger than what is left.
            most: most units.
        """
        facts, items = self.units.facts, self.units.item_facts
        columns = (facts.ends, facts.numbers, items.ends, items.numbers, self.train, self.held)
        found = blocks.pick(np.ascontiguousarray(members), costs, *columns, size, slack, most)
        return np.frombuffer(found, np.int64)


@dataclass(frozen=True)
class Chosen:
    """Units that leave train, and how many groups of each are asked; the others are left out."""

    units: Longs
    groups: Longs


def choose(units: Units, free: Flags, budget: Budget, facts: Facts, *, whole: bool) -> Chosen:
    """Pick units of those that are free; one at least is left.

    Args:
        units: all units.
        free: which of them can be chosen.
        budget: how much is wanted.
        facts: what is asked where; picked units are moved.
        whole: whether each unit is one group. Then one is taken when that comes closer to the budget than
            leaving it; else none that is larger, and at last a part of one fills the budget.
    """
    order = units.order
    left = order[free[order]]
    costs = np.ascontiguousarray(units.costs(budget), np.int64)
    spare = max(0, len(left) - 1)
    parts = [np.empty(0, np.int64)]
    over = 0
    for members, quota in quotas(units, left, budget):
        # What a stratum gives too much or too little, the next makes up for.
        over += quota
        parts.append(facts.pick(members, over, costs, 2 if whole else 1))
        over -= int(costs[parts[-1]].sum())
    chosen = np.concatenate(parts)[:spare]
    spent = int(costs[chosen].sum())
    rest = left[~marked(len(units), chosen)[left]]
    more = facts.pick(rest, budget.size - spent, costs, 1, spare - len(chosen))
    chosen = np.concatenate([chosen, more])
    groups = units.item_facts.sizes[chosen]
    missing = budget.less(spent + int(costs[more].sum()))
    if not whole and missing.size and len(chosen) < spare:
        rest = rest[~marked(len(units), more)[rest]]
        last = fill(units, rest, missing, missing.size + budget.size, facts)
        chosen, groups = np.concatenate([chosen, last.units]), np.concatenate([groups, last.groups])
    return Chosen(chosen, groups)


def quotas(units: Units, free: Longs, budget: Budget) -> Iterator[tuple[Longs, int]]:
    """Members of each stratum and their share of the budget, by the method of the largest remainder."""
    if not free.size:
        return
    stratum, count = numbered(units.stratum[free])
    costs = np.bincount(stratum, units.costs(budget)[free]).astype(np.int64)
    firsts = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(firsts, stratum, units.key[free])
    sizes, remainders = np.divmod(budget.size * costs, costs.sum())
    sizes[np.lexsort((firsts, -remainders))[: budget.size - sizes.sum()]] += 1
    by_stratum = stably(stratum)
    members = np.split(free[by_stratum], np.cumsum(np.bincount(stratum))[:-1])
    for at in np.argsort(firsts):
        yield members[at], int(sizes[at])


def fill(units: Units, rest: Longs, missing: Budget, most: int, facts: Facts) -> Chosen:
    """What is still missing, of the smallest unit that has more; none when it has more than `most`."""
    costs = units.costs(missing)
    larger = rest[(missing.size < costs[rest]) & (costs[rest] <= most)]
    nothing = np.empty(0, np.int64)
    if not larger.size:
        return Chosen(nothing, nothing)
    unit = int(larger[np.lexsort((units.key[larger], costs[larger]))[0]])
    groups = first_groups(units.group_sizes[unit], missing)
    if not groups:
        return Chosen(nothing, nothing)
    facts.move(unit, groups)
    return Chosen(np.array([unit]), np.array([groups]))


def first_groups(sizes: Longs, budget: Budget) -> int:
    """How many groups of a unit, given by their sizes, a budget is enough for."""
    if budget.of_items:
        return min(len(sizes), budget.size)
    return int((np.cumsum(sizes) <= budget.size).sum())
