"""Which rows of another version a version cannot take: it has them, or they touch what it holds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from services.dataset.benchmarks.leaks import joined
from services.dataset.copies.grouping import leaked
from services.dataset.copies.sketches import Sketches, sketch
from services.dataset.examples.examples import KINDS
from services.dataset.leak_checks.finding import Guarded
from services.dataset.versions.entries import TRAIN_ONLY, Entries
from services.dataset.versions.planning import (
    DUPLICATE,
    EXAM,
    VALIDATION,
    Plan,
)
from services.dataset.versions.reading import studied
from services.dataset.versions.shards import Dealer
from services.dataset.versions.split_columns import UNKNOWN, Longs
from services.dataset.versions.splitting import NEAR_COPY, SAME_UNIT
from services.dataset.versions.versions import DatasetVersion


@dataclass(frozen=True)
class Own:
    """What a version holds without general data.

    Args:
        entries: its examples.
        sketches: of what they ask.
        dealer: has their rows.
        guarded: what nobody may hold.
    """

    entries: Entries
    sketches: Sketches
    dealer: Dealer
    guarded: Sequence[Guarded]


class Unfit:
    """Tells which rows a version cannot take, whatever they leak.

    Args:
        version: the one that is made.
        own: what it holds.
        plan: where that goes.
    """

    def __init__(self, version: DatasetVersion, own: Own, plan: Plan) -> None:
        held = np.flatnonzero(np.isin(plan.sides, (VALIDATION, EXAM)))
        self._options = version.options
        self._held = of_rows(own.sketches, held)
        self._wordings = np.unique(own.entries.wordings)
        self._known = {name: seen_in(own.dealer, name) for name in ("id", "digest")}
        facts = own.entries.facts[held]
        self._facts = np.unique(facts[facts != UNKNOWN]) if self._options.group_by == "fact" else facts[:0]
        self._chunks = chunks_of(own.entries, held) if self._options.group_by == "chunk" else frozenset()

    def reasons(self, rows: pa.Table) -> list[str]:
        """Why each row cannot be taken; empty where it can."""
        table = rows.combine_chunks()
        content, lineage = (whole(table.column(name)) for name in ("content", "lineage"))
        found = studied(content, lineage)
        kinds = table.column("kind").to_pylist()
        is_asked = np.array([KINDS.index(kind) not in TRAIN_ONLY for kind in kinds], bool)
        wordings = np.fromiter(map(hash, found.asks), np.int64, len(found.asks))
        same = are_among(wordings, self._wordings) & is_asked
        for name, known in self._known.items():
            same |= are_among(np.array(table.column(name).to_pylist(), known.dtype), known)
        reasons = np.where(same, DUPLICATE, "").astype(object)
        reasons[near(found.asks, self._held, self._options.near_copy_threshold) & (reasons == "")] = NEAR_COPY
        unit = are_among(found.facts, self._facts)
        if self._chunks:
            chunks = [orjson.loads(text or "[]") for text in found.chunks.to_pylist()]
            unit |= np.array([not self._chunks.isdisjoint(each) for each in chunks], bool)
        reasons[unit & (reasons == "")] = SAME_UNIT
        listed: list[str] = reasons.tolist()
        return listed


def seen_in(dealer: Dealer, name: str) -> npt.NDArray[np.bytes_]:
    """The values of a column of all rows, ascending: 36 bytes each at most."""
    parts = [np.array(batch.column(name).to_pylist(), "S36") for batch in dealer.seen() if batch.num_rows]
    return np.sort(np.concatenate([np.empty(0, "S36"), *parts]))


def are_among(values: npt.NDArray[Any], known: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which values are among others, which are ascending."""
    if not len(known):
        return np.zeros(len(values), bool)
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def near(asks: Sequence[str], held: Sketches, threshold: float) -> npt.NDArray[np.bool_]:
    """Which texts are near copies of something that is held out."""
    found = np.zeros(len(asks), bool)
    if len(held):
        both = joined(sketch(asks), held)
        rows = np.arange(len(both))
        found[leaked(both, rows[len(asks) :], rows[: len(asks)], threshold)] = True
    return found


def of_rows(held: Sketches, rows: Longs) -> Sketches:
    """The sketches of some rows."""
    starts = held.starts[rows]
    counts = held.starts[rows + 1] - starts
    ends = np.cumsum(counts)
    places = np.arange(int(counts.sum())) + np.repeat(starts - (ends - counts), counts)
    return Sketches(
        held.signatures[rows],
        held.grams[places],
        np.concatenate([np.zeros(1, np.int64), ends]),
        held.sizes[rows],
        held.keys[rows],
    )


def chunks_of(entries: Entries, rows: Longs) -> frozenset[str]:
    """The chunks that some rows are about."""
    pairs, names = entries.pairs["chunk"], entries.names["chunk"]
    return frozenset(names[code] for code in np.unique(pairs.codes[np.isin(pairs.rows, rows)]).tolist())


def whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array that begins where its buffers do."""
    return pa.array(column.to_pylist(), column.type)
