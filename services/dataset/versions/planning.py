"""Decides which example of a version goes where; pure work for a thread, in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.dataset.copies.grouping import LargeBuckets, group_near_copies, leaked
from services.dataset.copies.sketches import Sketches
from services.dataset.embedding import EmbeddingCost
from services.dataset.leak_checks.leak_checks import LeakSource
from services.dataset.versions.balancing import over_caps, over_share, over_weights
from services.dataset.versions.choosing import Side
from services.dataset.versions.entries import Entries
from services.dataset.versions.options import DatasetOptions, Replay
from services.dataset.versions.shards import Dealer
from services.dataset.versions.split_columns import (
    UNKNOWN,
    Columns,
    Flags,
    Longs,
    crossed,
    numbered,
    units_of,
)
from services.dataset.versions.splitting import NEAR_COPY, SAME_UNIT, facts_in_train, split
from services.dataset.versions.versions import SPLITS, Replayed
from services.runtime.errors import FailedPrecondition, Internal

TRAIN, VALIDATION, EXAM, OUT = range(4)
DUPLICATE = "DUPLICATE"
BALANCE = "BALANCE"
REPLAY = "REPLAY"
SOURCE_WEIGHT = "SOURCE_WEIGHT"
MOST_NAMED = 20
"""Sources that an error names."""
LARGE_BUCKETS = 16
"""In how many large buckets a row is on average, at most, for these to be kept: 12 bytes each."""


@dataclass(frozen=True)
class Plan:
    """The side of every row (`SPLITS`, 3 for none), and how many are left out, by reason."""

    sides: npt.NDArray[np.int8]
    dropped: Mapping[str, int]
    facts_in_train: int

    def count(self, side: int) -> int:
        """Rows of a side."""
        return int((self.sides == side).sum())

    @property
    def split_counts(self) -> dict[str, int]:
        """Rows by split; validation only where there are some."""
        counts = {name: self.count(side) for side, name in enumerate(SPLITS)}
        return {name: count for name, count in counts.items() if count or name != "validation"}


@dataclass(frozen=True)
class Made:
    """A version whose shards lie in a folder."""

    plan: Plan
    coverage: Mapping[str, Mapping[str, int]]
    sources: Mapping[str, Mapping[str, int]]
    leaks: Sequence[LeakSource] = ()
    replayed: Replayed | None = None
    replay_dealer: Dealer | None = None
    """Has the rows of another version that belong to train."""
    spent: EmbeddingCost | None = None
    """What it cost to compare meanings with questions; nothing where that was not done."""


class Planner:
    """Plans one version.

    Args:
        entries: the kept examples.
        sketches: of what each asks, in the same order.
        options: those of the version.
    """

    def __init__(self, entries: Entries, sketches: Sketches, options: DatasetOptions) -> None:
        self._entries = entries
        self._sketches = sketches
        self._options = options
        self._ranks = entries.ranks
        self._sides = np.full(len(entries), TRAIN, np.int8)
        self._dropped: dict[str, int] = {}
        self._large = LargeBuckets(LARGE_BUCKETS * len(entries))

    def plan(self) -> Plan:
        """Decide.

        Raises:
            FailedPrecondition: there is no example, none of a source or label that the options name, or fewer
                than are to be held out.
            Internal: near copies ended up on both sides.
        """
        entries, options = self._entries, self._options
        if not len(entries):
            raise no_examples()
        replayed = replayed_rows(entries, options.replay)
        check_named(entries, options, replayed)
        self._drop(DUPLICATE, np.flatnonzero(duplicates(entries)))
        counted = (self._sides == TRAIN) & ~replayed
        self._drop(BALANCE, np.flatnonzero(over_caps(entries, counted, options.balance)))
        groups = group_near_copies(self._sketches, options.near_copy_threshold, self._large).astype(np.int64)
        units = self._units(groups)
        self._hold_out(groups, units, replayed)
        self._check_counts()
        self._drop(NEAR_COPY, self._leaked())
        self._drop(SOURCE_WEIGHT, self._over_weights(replayed))
        if options.replay and not options.replay.dataset_version_id:
            self._drop(REPLAY, self._over_share(replayed, options.replay.share))
        check_sides(groups, self._sides)
        train, exam = np.flatnonzero(self._sides == TRAIN), np.flatnonzero(self._sides == EXAM)
        columns = self._columns(np.arange(len(entries)), groups, units)
        dropped = {reason: count for reason, count in sorted(self._dropped.items()) if count}
        return Plan(self._sides, dropped, facts_in_train(columns, train, exam))

    def _drop(self, reason: str, rows: Longs) -> None:
        self._sides[rows] = OUT
        self._dropped[reason] = self._dropped.get(reason, 0) + len(rows)

    def _units(self, groups: Longs) -> Longs | None:
        if self._options.group_by == "near_copies":
            return None
        if self._options.group_by == "fact":
            return units_of(groups, np.arange(len(groups)), self._entries.facts)
        chunks = self._entries.pairs["chunk"]
        return units_of(groups, chunks.rows, chunks.codes)

    def _columns(self, rows: Longs, groups: Longs, units: Longs | None) -> Columns:
        entries = self._entries
        strata = crossed(*(entries.first_value(each) for each in self._options.stratify_by.split("_and_")))
        return Columns(
            places=self._ranks[rows],
            groups=groups[rows],
            strata=strata[rows],
            facts=entries.facts[rows],
            exam_only=entries.exam_only[rows],
            units=None if units is None else units[rows],
        )

    def _hold_out(self, groups: Longs, units: Longs | None, replayed: Flags) -> None:
        """Split what can be asked; what can only be trained on follows its near copies."""
        entries, options = self._entries, self._options
        trained = (entries.train_only | replayed) & ~entries.exam_only & (self._sides == TRAIN)
        rows = np.flatnonzero((self._sides == TRAIN) & ~trained)
        if not len(rows):
            return
        exam = Side(options.exam_share, options.exam_count, options.max_exam_items)
        validation = Side(options.validation_share, options.validation_count)
        found = split(self._columns(rows, groups, units), exam, validation)
        for reason, places in found.dropped.items():
            self._drop(reason, rows[places])
        self._sides[rows[found.validation]] = VALIDATION
        self._sides[rows[found.exam]] = EXAM
        held = rows[np.isin(self._sides[rows], (VALIDATION, EXAM))]
        rest = np.flatnonzero(trained)
        self._drop(NEAR_COPY, rest[np.isin(groups[rest], groups[held])])
        if units is not None:
            rest = rest[self._sides[rest] == TRAIN]
            self._drop(SAME_UNIT, rest[np.isin(units[rest], units[held])])

    def _check_counts(self) -> None:
        """Make sure that as many are held out as was said.

        Raises:
            FailedPrecondition: there are fewer.
        """
        options = self._options
        most = Side(0.0, options.exam_count, options.max_exam_items).limit
        for side, wanted in (
            (EXAM, most if options.exam_count else 0),
            (VALIDATION, options.validation_count),
        ):
            found = int((self._sides == side).sum())
            if found < wanted:
                raise too_few(SPLITS[side], wanted, found, len(self._entries))

    def _leaked(self) -> Longs:
        """What of train is like something held out after all: pairs that the grouping missed."""
        held = np.flatnonzero((self._sides == VALIDATION) | (self._sides == EXAM))
        train = np.flatnonzero(self._sides == TRAIN)
        threshold = self._options.near_copy_threshold
        return train[leaked(self._sketches, held, train, threshold, self._large)]

    def _train(self, wanted: Flags) -> Longs:
        """Wanted rows of train, in seeded order."""
        rows = np.flatnonzero((self._sides == TRAIN) & wanted)
        return rows[np.argsort(self._ranks[rows])]

    def _over_weights(self, replayed: Flags) -> Longs:
        names = list(self._entries.names["source"])
        return over_weights(
            self._entries.values["source"], names, self._train(~replayed), self._options.source_weights
        )

    def _over_share(self, replayed: Flags, share: float) -> Longs:
        return over_share(self._train(replayed), len(self._train(~replayed)), share)


def duplicates(entries: Entries) -> Flags:
    """Of every wording of a question all examples but the newest: generations may ask the same.

    What must never be trained on stays, whoever asks the same; so do preferences and texts.
    """
    found = np.zeros(len(entries), bool)
    rows = np.flatnonzero(~entries.exam_only & ~entries.train_only)
    # Rows are by id, and so by time: the last of a wording is the newest.
    order = rows[np.lexsort((rows, entries.wordings[rows]))]
    same = entries.wordings[order[:-1]] == entries.wordings[order[1:]]
    found[order[:-1][same]] = True
    return found


def replayed_rows(entries: Entries, replay: Replay | None) -> Flags:
    """Which rows are general data."""
    found = np.zeros(len(entries), bool)
    if replay is None or replay.dataset_version_id:
        return found
    facet, name = ("label", replay.label) if replay.label else ("source", f"import:{replay.import_id}")
    names = list(entries.names[facet])
    if name in names:
        pairs = entries.all_values(facet)
        found[pairs.rows[pairs.codes == names.index(name)]] = True
    return found


def check_named(entries: Entries, options: DatasetOptions, replayed: Flags) -> None:
    """Make sure that there are examples of what the options name, that nothing written wrong is passed over.

    Raises:
        FailedPrecondition: there are none.
    """
    known = list(entries.names["source"])
    missing = ", ".join(name for name in options.source_weights if name not in known)
    if missing:
        names = ", ".join(known[:MOST_NAMED])
        raise FailedPrecondition(
            "SOURCE_MISSING",
            f"a weight is given to {missing}, from where no example comes that fits; name some of {names}",
            missing=missing,
            known=names,
        )
    replay = options.replay
    if replay and not replay.dataset_version_id and not replayed.any():
        missing = f"label {replay.label}" if replay.label else f"import {replay.import_id}"
        raise FailedPrecondition(
            "REPLAY_MISSING",
            f"general data is to come from {missing}, and no example there fits; put the label on examples "
            "(`sishu example label`), name another label, import or version, or widen the filter",
            missing=missing,
        )


def check_sides(groups: Longs, sides: npt.NDArray[np.int8]) -> None:
    """Make sure that no group of near copies is on two sides.

    Raises:
        Internal: one is.
    """
    on = np.zeros((3, int(groups.max(initial=-1)) + 1), bool)
    for side in (TRAIN, VALIDATION, EXAM):
        on[side, groups[sides == side]] = True
    both = int((on.sum(axis=0) > 1).sum())
    if both:
        raise Internal("NEAR_COPY_ON_BOTH_SIDES", f"{both} groups of near copies are on two sides")


def no_examples() -> FailedPrecondition:
    """The error for a version of nothing."""
    return FailedPrecondition(
        "NO_EXAMPLES", "no kept example fits; import the examples of a generation first, or drop the filter"
    )


def too_few(split: str, wanted: int, found: int, examples: int) -> FailedPrecondition:
    """The error for a split that is to hold more than there is for it."""
    return FailedPrecondition(
        "EXAMPLES_TOO_FEW",
        f"{split} is to hold {wanted} examples, and of the {examples} that fit only {found} can be held out: "
        "near copies count once, what is never examined does not count, and one is left to train on; ask for "
        f"fewer ({split}_count), or for a share ({split}_share)",
        split=split,
        wanted=str(wanted),
        found=str(found),
        examples=str(examples),
    )


def coverage(entries: Entries, sides: npt.NDArray[np.int8]) -> dict[str, dict[str, int]]:
    """How many different documents, sections, tags and facts there are in all, and on each side."""
    known = np.flatnonzero(entries.facts != UNKNOWN)
    columns = {facet: entries.all_values(facet) for facet in ("document", "section", "tag")}
    pairs = {name: (each.rows, each.codes) for name, each in columns.items()}
    pairs["fact"] = known, entries.facts[known]
    found = {}
    for name, (rows, codes) in pairs.items():
        values, _ = numbered(codes)
        by_side = {side: different(values[sides[rows] == at]) for at, side in enumerate(SPLITS)}
        found[name] = {"total": different(values), **by_side}
    return found


def different(numbers: Longs) -> int:
    """How many different numbers there are of small ones."""
    return int(np.count_nonzero(np.bincount(numbers)))


def source_counts(entries: Entries, sides: npt.NDArray[np.int8]) -> dict[str, dict[str, int]]:
    """Rows by source and split."""
    sources, names = entries.values["source"], entries.names["source"]
    counts = [np.bincount(sources[sides == at], minlength=len(names)) for at in range(len(SPLITS))]
    return {
        name: {side: int(counts[at][code]) for at, side in enumerate(SPLITS) if counts[at][code]}
        for code, name in sorted(enumerate(names), key=lambda each: each[1])
    }
