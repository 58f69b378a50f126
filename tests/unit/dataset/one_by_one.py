"""Split examples into train and exam: the exam asks for what training teaches, but never in its words.

A group of near copies stays on one side. The exam takes one example of a group, the rest of that group is
left out: near copies would count one question twice. Documents are examined in proportion to their size
(largest remainder). Within a document those groups come first whose fact is asked in another form in train.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

DUPLICATE = "DUPLICATE"
NEAR_COPY = "NEAR_COPY"
EXAM_LIMIT = "EXAM_LIMIT"


@dataclass(frozen=True)
class Entry:
    """What a split needs to know of an example.

    Args:
        id: id of the example.
        digest: SHA-256 of its content; the order of entries, and with it the split, hangs on it alone.
        question: what it asks.
        document: what it is about, for the strata; empty when unknown.
        fact: the same for every form of a question about one fact; empty when unknown.
        exam_only: whether it must never be trained on.
        train_only: whether no exam can ask it, as it has no one right answer.
    """

    id: str
    digest: str
    question: str
    document: str = ""
    fact: str = ""
    exam_only: bool = False
    train_only: bool = False


@dataclass(frozen=True)
class Split:
    """Entries by side, in seeded order, and those left out, by reason."""

    train: Sequence[Entry]
    exam: Sequence[Entry]
    dropped: Mapping[str, Sequence[Entry]]

    @property
    def sides(self) -> dict[str, Sequence[Entry]]:
        """The entries of each side, by its name."""
        return {"train": self.train, "exam": self.exam}

    @property
    def facts_in_train(self) -> int:
        """Exam items whose fact is asked in another form in train."""
        taught = {entry.fact for entry in self.train if entry.fact}
        return sum(entry.fact in taught for entry in self.exam)


@dataclass(frozen=True)
class Group:
    """Near copies of each other in seeded order; `key` is the place of the group among all."""

    members: tuple[Entry, ...]
    key: str

    @property
    def first(self) -> Entry:
        """The member that an exam asks."""
        return self.members[0]

    @property
    def facts(self) -> frozenset[str]:
        """The facts that its members ask for."""
        return frozenset(member.fact for member in self.members if member.fact)


class Facts:
    """How many groups on either side ask for a fact, while groups move from train to exam."""

    def __init__(self, train: Iterable[Group], exam: Iterable[Group]) -> None:
        self._train = Counter(fact for group in train for fact in group.facts)
        self._exam = Counter(group.first.fact for group in exam)

    def move(self, group: Group) -> None:
        """Note that a group goes into the exam."""
        self._train.subtract(group.facts)
        self._exam[group.first.fact] += 1

    def taught(self, group: Group) -> bool:
        """Whether train would still ask for the group's fact, and for all that the exam asks, without it."""
        return self._train[group.first.fact] > 1 and self.spared(group)

    def spared(self, group: Group) -> bool:
        """Whether no fact that the exam asks for is left to this group alone."""
        return all(self._train[fact] > 1 or not self._exam[fact] for fact in group.facts)

    def fresh(self, group: Group) -> bool:
        """Whether the exam does not ask for the group's fact yet."""
        return not self._exam[group.first.fact]


@dataclass(frozen=True)
class Budget:
    """How much goes into the exam: so many examples, near copies included, or so many exam items."""

    size: int
    of_items: bool

    @classmethod
    def of(cls, entries: int, share: float, most: int) -> Budget:
        """The share of the entries, at least one, unless the limit of items is lower."""
        held_out = max(1, math.floor(entries * share + 0.5)) if share else 0
        limited = 0 < most < held_out
        return cls(most if limited else held_out, limited)

    def less(self, size: int) -> Budget:
        """What is left of it."""
        return replace(self, size=max(0, self.size - size))

    def cost(self, group: Group) -> int:
        """What a group takes of it."""
        return 1 if self.of_items else len(group.members)

    def allows(self, group: Group) -> bool:
        """Whether taking the group comes closer to the budget than leaving it."""
        return self.cost(group) <= 2 * self.size


def split(entries: Sequence[Entry], groups: Sequence[int], share: float, most: int, seed: int) -> Split:
    """Split entries into train and exam; the same entries in another order give the same split.

    Args:
        entries: the entries.
        groups: number of the group of near copies of each entry.
        share: share of the entries that is held out, 0 to 0.9; train keeps at least one group.
        most: most exam items; 0 means no limit.
        seed: another seed gives another split.
    """
    keys = {entry.id: key_of(entry, seed) for entry in entries}
    members: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry, group in zip(entries, groups, strict=True):
        members[group].append(entry)
    sets = sorted((group_of(each, keys) for each in members.values()), key=lambda group: group.key)
    forced = [group for group in sets if group.first.exam_only]
    forced, over = (forced[:most], forced[most:]) if most else (forced, [])
    trainable = [rest for group in over if (rest := without_exam_items(group, keys))]
    free = [*(group for group in sets if not group.first.exam_only), *trainable]
    budget = Budget.of(sum(not entry.train_only for entry in entries), share, most)
    budget = budget.less(sum(map(budget.cost, forced)))
    examinable = [group for group in free if not group.first.train_only]
    exam = [*forced, *choose(examinable, budget, Facts(free, forced))]
    taken = {group.key for group in exam}
    train = [entry for group in free if group.key not in taken for entry in group.members]
    copies = [entry for group in exam for entry in group.members[1:]]
    limited = [entry for group in over for entry in group.members if entry.exam_only]
    return Split(
        train=in_order(train, keys),
        exam=in_order([group.first for group in exam], keys),
        dropped={NEAR_COPY: in_order(copies, keys), EXAM_LIMIT: in_order(limited, keys)},
    )


def key_of(entry: Entry, seed: int) -> str:
    """Its place in a seeded order that hangs on the content alone; the id tells equal contents apart."""
    return hashlib.sha256(f"{seed}:{entry.digest}".encode()).hexdigest() + entry.id


def in_order(entries: Iterable[Entry], keys: Mapping[str, str]) -> list[Entry]:
    """Entries by their keys."""
    return sorted(entries, key=lambda entry: keys[entry.id])


def group_of(members: Iterable[Entry], keys: Mapping[str, str]) -> Group:
    """A group; entries that must not be trained on come first, those that no exam can ask last."""
    ordered = sorted(members, key=lambda entry: (not entry.exam_only, entry.train_only, keys[entry.id]))
    return Group(tuple(ordered), keys[ordered[0].id])


def without_exam_items(group: Group, keys: Mapping[str, str]) -> Group | None:
    """What may be trained on of a group; nothing when that is nothing."""
    rest = [entry for entry in group.members if not entry.exam_only]
    return group_of(rest, keys) if rest else None


def choose(groups: Sequence[Group], budget: Budget, facts: Facts) -> list[Group]:
    """Pick the groups that go into the exam, document by document; one at least is left."""
    documents: defaultdict[str, list[Group]] = defaultdict(list)
    for group in groups:
        documents[group.first.document].append(group)
    chosen: list[Group] = []
    for part, quota in quotas(list(documents.values()), budget):
        chosen += choose_in_document(part, quota, facts)
    return chosen[: max(0, len(groups) - 1)]


def quotas(documents: Sequence[Sequence[Group]], budget: Budget) -> list[tuple[Sequence[Group], Budget]]:
    """The budget of each document, in proportion to what it has, by the method of the largest remainder."""
    costs = [sum(map(budget.cost, groups)) for groups in documents]
    exact = [Fraction(budget.size * cost, sum(costs)) for cost in costs]
    sizes = [math.floor(part) for part in exact]
    firsts = [min(group.key for group in groups) for groups in documents]
    by_remainder = sorted(range(len(exact)), key=lambda at: (sizes[at] - exact[at], firsts[at]))
    for at in by_remainder[: budget.size - sum(sizes)]:
        sizes[at] += 1
    return [(groups, replace(budget, size=size)) for groups, size in zip(documents, sizes, strict=True)]


def choose_in_document(groups: Sequence[Group], quota: Budget, facts: Facts) -> list[Group]:
    """Pick groups: best those whose fact stays in train, each fact once, and those without near copies."""
    tiers: list[Callable[[Group], bool]] = [
        lambda group: facts.taught(group) and facts.fresh(group),
        facts.taught,
        facts.spared,
        lambda _: True,
    ]
    left = sorted(groups, key=lambda group: (len(group.members), group.key))
    chosen: list[Group] = []
    for fits in tiers:
        rest = []
        for group in left:
            if quota.allows(group) and fits(group):
                facts.move(group)
                chosen.append(group)
                quota = quota.less(quota.cost(group))
            else:
                rest.append(group)
        left = rest
    return chosen
