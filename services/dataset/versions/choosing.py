"""Which units of a split are held out: of each stratum in proportion, best what train asks in another form.

A unit is what stays on one side: a group of near copies, or the groups about one fact or chunk. A group gives
one item, its first entry: near copies would count one question twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain

import numpy as np

from services.dataset.versions.split_columns import Longs

TIERS = 4


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
        return np.lexsort((self.key, self.entries - self.items))


class Lists:
    """A list of numbers for each of many owners, in two columns."""

    def __init__(self, owners: Longs, numbers: Longs, count: int) -> None:
        """Lists by ascending owners, 0 to `count`."""
        self._ends = [0, *np.cumsum(np.bincount(owners, minlength=count)).tolist()]
        self._numbers: list[int] = numbers.tolist()

    def __getitem__(self, owner: int) -> list[int]:
        return self._numbers[self._ends[owner] : self._ends[owner + 1]]


class Facts:
    """How many units on either side ask for a fact, while units move out of train."""

    def __init__(self, units: Units, free: Longs, asked: Iterable[int], count: int) -> None:
        """Facts of units that are free, and those that are examined at all events; `count` facts are known.

        The last place, where -1 leads, stands for the unknown fact, which train never asks for.
        """
        self.units = units
        self._train = [0] * (count + 1)
        self._held = [0] * (count + 1)
        for fact in chain.from_iterable(map(units.facts.__getitem__, free.tolist())):
            self._train[fact] += 1
        for fact in asked:
            self._held[fact] += 1

    def move(self, unit: int, groups: int) -> None:
        """Note that a unit leaves train, and that so many of its groups are asked."""
        for fact in self.units.facts[unit]:
            self._train[fact] -= 1
        for fact in self.units.item_facts[unit][:groups]:
            self._held[fact] += 1

    def fits(self, unit: int, tier: int) -> bool:
        """Whether a unit is as good as a tier, 0 the best, demands.

        0: its fact is asked in train, too, and not held out yet. 1: its fact is asked in train, too. 2: no
        fact that is held out is left to this unit alone. 3: any.
        """
        train, held = self._train, self._held
        first = self.units.item_facts[unit][0]
        if (tier < 2 and train[first] < 2) or (tier == 0 and held[first]):
            return False
        return tier == TIERS - 1 or all(train[fact] > 1 or not held[fact] for fact in self.units.facts[unit])


@dataclass(frozen=True)
class Chosen:
    """A unit that leaves train, and how many of its groups are asked; the others are left out."""

    unit: int
    groups: int


def choose(units: Units, free: Longs, budget: Budget, facts: Facts, *, whole: bool) -> list[Chosen]:
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
    left = order[np.isin(order, free)]
    costs = units.costs(budget).tolist()
    spare = len(free) - 1
    chosen: list[Chosen] = []
    over = 0
    for members, quota in quotas(units, left, budget):
        # What a stratum gives too much or too little, the next makes up for.
        over += quota
        for unit in pick(members, over, costs, facts, 2 if whole else 1):
            chosen.append(Chosen(unit, len(units.item_facts[unit])))
            over -= costs[unit]
    chosen = chosen[: max(0, spare)]
    spent = sum(costs[one.unit] for one in chosen)
    rest = np.setdiff1d(left, [one.unit for one in chosen], assume_unique=True)
    rest = order[np.isin(order, rest)]
    for unit in pick(rest.tolist(), budget.size - spent, costs, facts, 1, spare - len(chosen)):
        chosen.append(Chosen(unit, len(units.item_facts[unit])))
        spent += costs[unit]
    missing = budget.less(spent)
    if not whole and missing.size and len(chosen) < spare:
        gone = {one.unit for one in chosen}
        most = missing.size + budget.size
        chosen += fill(units, [one for one in rest.tolist() if one not in gone], missing, most, facts)
    return chosen


def quotas(units: Units, free: Longs, budget: Budget) -> Iterator[tuple[list[int], int]]:
    """Members of each stratum and their share of the budget, by the method of the largest remainder."""
    if not free.size:
        return
    names, stratum = np.unique(units.stratum[free], return_inverse=True)
    costs = np.bincount(stratum, units.costs(budget)[free]).astype(np.int64)
    firsts = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(firsts, stratum, units.key[free])
    sizes, remainders = np.divmod(budget.size * costs, costs.sum())
    sizes[np.lexsort((firsts, -remainders))[: budget.size - sizes.sum()]] += 1
    by_stratum = np.argsort(stratum, kind="stable")
    members = np.split(free[by_stratum], np.cumsum(np.bincount(stratum))[:-1])
    for at in np.argsort(firsts):
        yield members[at].tolist(), int(sizes[at])


def pick(
    units: Sequence[int], size: int, costs: Sequence[int], facts: Facts, slack: int, most: int | None = None
) -> Iterator[int]:
    """Units in their order, those of better tiers first, that cost at most `slack` times what is left.

    Args:
        units: what there is.
        size: what they may cost together.
        costs: of each unit.
        facts: what is asked where; picked units are moved.
        slack: by how much a unit may be larger than what is left.
        most: most units; none means no limit.
    """
    for tier in range(TIERS):
        rest = []
        for unit in units:
            if size <= 0 or most == 0:
                return
            if costs[unit] <= slack * size and facts.fits(unit, tier):
                facts.move(unit, len(facts.units.item_facts[unit]))
                size -= costs[unit]
                most = None if most is None else most - 1
                yield unit
            else:
                rest.append(unit)
        units = rest


def fill(units: Units, rest: Sequence[int], missing: Budget, most: int, facts: Facts) -> list[Chosen]:
    """What is still missing, of the smallest unit that has more; none when it has more than `most`."""
    costs = units.costs(missing)
    larger = [unit for unit in rest if missing.size < costs[unit] <= most]
    if not larger:
        return []
    unit = min(larger, key=lambda one: (costs[one], units.key[one]))
    groups = first_groups(units.group_sizes[unit], missing)
    if not groups:
        return []
    facts.move(unit, groups)
    return [Chosen(unit, groups)]


def first_groups(sizes: Sequence[int], budget: Budget) -> int:
    """How many groups of a unit, given by their sizes, a budget is enough for."""
    if budget.of_items:
        return min(len(sizes), budget.size)
    return sum(total <= budget.size for total in accumulate(sizes))
