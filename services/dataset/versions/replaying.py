"""General data of another version, mixed into train once it is known what else a version holds.

Rows are drawn by a seeded order from what the other version trains on, and copied into the new shards: so a
version stays whole when the other is deleted. The project's own examples are split, balanced and weighed
without them. What the version has itself, what is like something held out, and what leaks is passed over, and
the next ones are taken, until there are as many as the share wants.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from services.dataset.copies.by_numpy import mixed
from services.dataset.examples.content_texts import asked_text
from services.dataset.leak_checks.finding import AT_ONCE, trained_text
from services.dataset.leak_checks.leak_checks import LeakSource
from services.dataset.restores.restores import unprompted
from services.dataset.versions.leaking import BLOCK, DROP, action_of, reason_of, replay_blocked
from services.dataset.versions.planning import (
    TRAIN,
    Made,
    Plan,
)
from services.dataset.versions.reading import digest_of, prompted
from services.dataset.versions.replay_fitting import Own, Unfit
from services.dataset.versions.shards import DEALT, PLACE, ROW, SCHEMA, Dealer
from services.dataset.versions.split_columns import Longs
from services.dataset.versions.versions import DatasetVersion, Replayed

SLACK, LEAST = 1.05, 256
"""Rows that are looked at for each that is wanted, as some do not fit; and the fewest."""
READ = 2000
Places = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class ReplaySource:
    """What another version trains on: its shards in a folder, in their order."""

    version: DatasetVersion
    shards: Sequence[Path]


def source_name(version_id: str) -> str:
    """The source of rows that were taken from a version."""
    return f"version:{version_id}"


class Replayer:
    """Draws general data for one version.

    Args:
        source: where it is from.
        version: the one that is made.
        own: what that holds.
        plan: where that goes.
        folder: for the rows that are taken.
    """

    def __init__(
        self, source: ReplaySource, version: DatasetVersion, own: Own, plan: Plan, folder: Path
    ) -> None:
        self._source = source
        self._version = version
        self._own = own
        self._plan = plan
        self._folder = folder
        self._left_out: Counter[str] = Counter()
        self._leaks: dict[int, set[int]] = {number: set() for number in range(len(own.guarded))}
        self._unfit = Unfit(version, own, plan)

    def mixed_into(self, made: Made) -> Made:
        """What is made, with the general data that its share wants; its rows are in `interleaved` order.

        Raises:
            FailedPrecondition: general data leaks, and that blocks the version.
        """
        options = self._version.options
        share = options.replay.share if options.replay else 0.0
        wanted = round(self._plan.count(TRAIN) * share / (1 - share))
        order = seeded_order(self._source.shards, options.seed)
        chosen = self._chosen(order, wanted)
        leaks = self._counted(set(chosen.tolist()))
        dealer = Dealer(subfolder(self._folder), len(chosen))
        taken: Counter[str] = Counter()
        first = len(self._plan.sides)
        for positions, rows in rows_at(self._source.shards, np.sort(chosen)):
            dealt = self._dealt(positions, rows, first)
            first += len(positions)
            taken.update(rows.column("source").to_pylist())
            dealer.add(dealt)
        dealer.close()
        told = Replayed(
            dataset_version_id=self._source.version.id,
            content_sha256=self._source.version.content_sha256,
            available=len(order),
            wanted=wanted,
            taken=len(chosen),
            left_out=dict(sorted(self._left_out.items())),
            source_counts=dict(sorted(taken.items())),
        )
        return with_replayed(made, told, leaks, dealer)

    def _counted(self, chosen: Set[int]) -> list[int]:
        """By what rows are compared with, how many leak that were taken, or were passed over since they leak.

        Raises:
            FailedPrecondition: they block the version.
        """
        counts = []
        for one, found in zip(self._own.guarded, self._leaks.values(), strict=True):
            action = action_of(one.source, self._version.options)
            counts.append(len(found if action == DROP else found & chosen))
            if action == BLOCK and counts[-1]:
                raise replay_blocked(counts[-1], one.source, self._source.version)
        return counts

    def _chosen(self, order: Longs, wanted: int) -> Longs:
        """Positions of the rows that are taken: the first of the order that fit."""
        found: list[int] = []
        start = 0
        while len(found) < wanted and start < len(order):
            count = max(LEAST, round((wanted - len(found)) * SLACK))
            # They are read as they lie, and then looked at in their order.
            part = order[start : start + count]
            fitting = self._fitting(part)
            found += [position for position in part.tolist() if position in fitting]
            start += count
        return np.array(found[:wanted], np.int64)

    def _fitting(self, part: Longs) -> set[int]:
        fitting: set[int] = set()
        for positions, rows in rows_at(self._source.shards, np.sort(part)):
            reasons = self._unfit.reasons(said_alone(rows, self._source.version, self._version))
            for at, reason in self._leaking(positions, rows, reasons):
                reasons[at] = reason
            self._left_out.update(reason for reason in reasons if reason)
            fitting.update(
                position for position, reason in zip(positions.tolist(), reasons, strict=True) if not reason
            )
        return fitting

    def _leaking(self, positions: Longs, rows: pa.Table, reasons: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Rows that are left out since they leak, of those that fit otherwise, with the reason."""
        if not self._own.guarded:
            return
        places = [at for at, reason in enumerate(reasons) if not reason]
        kinds = rows.column("kind").to_pylist()
        contents = [orjson.loads(text) for text in rows.column("content").to_pylist()]
        for begin in range(0, len(places), AT_ONCE):
            part = places[begin : begin + AT_ONCE]
            asked = [asked_text(kinds[at], contents[at]) for at in part]
            said = [trained_text(contents[at]) for at in part]
            for number, one in enumerate(self._own.guarded):
                leaking = [part[leak.row] for leak in one.guard.find(asked, said)]
                self._leaks[number].update(positions[leaking].tolist())
                if action_of(one.source, self._version.options) == DROP:
                    yield from ((at, reason_of(one.source)) for at in leaking)

    def _dealt(self, positions: Longs, rows: pa.Table, first: int) -> pa.Table:
        """Rows as they are dealt to shards."""
        content = said_now(rows, self._source.version, self._version)
        kinds = rows.column("kind").to_pylist()
        digests = [digest_of(kind, text.encode()).hex() for kind, text in zip(kinds, content, strict=True)]
        told = [
            orjson.dumps(
                {
                    **orjson.loads(text),
                    "dataset_version_id": self._source.version.id,
                    "dataset_version_position": position,
                }
            ).decode()
            for text, position in zip(rows.column("lineage").to_pylist(), positions.tolist(), strict=True)
        ]
        columns: dict[str, Any] = {name: rows.column(name) for name in SCHEMA.names}
        columns |= {
            "content": pa.array(content, pa.string()),
            "lineage": pa.array(told, pa.string()),
            "source": pa.array([source_name(self._source.version.id)] * len(content), pa.string()),
            "digest": pa.array(digests, pa.string()),
            PLACE: pa.array(places_of(rows.column("digest"), f"{self._version.options.seed}")),
            ROW: pa.array(np.arange(first, first + len(content)), pa.int64()),
        }
        return pa.table([columns[name] for name in DEALT.names], schema=DEALT)


def seeded_order(shards: Sequence[Path], seed: int) -> Longs:
    """The positions of all rows in a seeded order, which hangs on what they say."""
    columns = [pq.read_table(path, columns=["digest"], use_threads=False).column("digest") for path in shards]
    places = [places_of(column, f"replay:{seed}") for column in columns]
    return np.argsort(np.concatenate([np.empty(0, np.uint64), *places]), kind="stable")


def places_of(digests: pa.ChunkedArray, seed: str) -> Places:
    """A seeded number of 64 bits for each digest."""
    mask = np.uint64(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    firsts = np.array([int(digest[:16], 16) for digest in digests.to_pylist()], np.uint64)
    found: Places = mixed(firsts ^ mask)
    return found


def rows_at(shards: Sequence[Path], positions: Longs) -> Iterator[tuple[Longs, pa.Table]]:
    """The rows at ascending positions among all of some shards, some at a time, with their positions."""
    start = 0
    for path in shards:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(READ, columns=SCHEMA.names, use_threads=False):
                first, last = np.searchsorted(positions, (start, start + batch.num_rows))
                mine = positions[first:last]
                if len(mine):
                    yield mine, pa.Table.from_batches([batch]).take(pa.array(mine - start)).cast(SCHEMA)
                start += batch.num_rows


def said_alone(rows: pa.Table, source: DatasetVersion, version: DatasetVersion) -> pa.Table:
    """Rows that say what they would in a version, each with the digest of that."""
    content = said_now(rows, source, version)
    kinds = rows.column("kind").to_pylist()
    digests = [digest_of(kind, text.encode()).hex() for kind, text in zip(kinds, content, strict=True)]
    changed = {"content": content, "digest": digests}
    return pa.table(
        [pa.array(changed[name]) if name in changed else rows.column(name) for name in SCHEMA.names],
        schema=SCHEMA,
    )


def said_now(rows: pa.Table, source: DatasetVersion, version: DatasetVersion) -> list[str]:
    """What rows say in a version: its system prompt stands in the place of that of theirs."""
    before, now = source.options.system_prompt, version.options.system_prompt
    kinds, contents = rows.column("kind").to_pylist(), rows.column("content").to_pylist()
    if before == now:
        return list(contents)
    return [
        text if kind == "pretraining" else with_prompt(unprompted(text, before) if before else text, now)
        for kind, text in zip(kinds, contents, strict=True)
    ]


def with_prompt(content: str, prompt: str) -> str:
    """A content with a system prompt before it, if there is one."""
    return prompted(orjson.loads(content), prompt).decode() if prompt else content


def subfolder(folder: Path) -> Path:
    """A folder for the rows that are taken."""
    found = folder / "replay"
    found.mkdir(exist_ok=True)
    return found


def with_replayed(made: Made, told: Replayed, leaks: Sequence[int], dealer: Dealer) -> Made:
    """What is made, with rows of another version in train."""
    sides = np.concatenate([made.plan.sides, np.full(told.taken, TRAIN, np.int8)])
    sources = {**made.sources}
    if told.taken:
        sources[source_name(told.dataset_version_id)] = {"train": told.taken}
    found: list[LeakSource] = [
        replace(source, leaks=source.leaks + more) for source, more in zip(made.leaks, leaks, strict=True)
    ]
    return replace(
        made,
        plan=replace(made.plan, sides=sides),
        sources=dict(sorted(sources.items())),
        leaks=found,
        replayed=told,
        replay_dealer=dealer,
    )


def interleaved(own: Iterator[pa.Table], others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Rows of two dealers as ranges of places, each range and all in the order of places."""
    coming = map(by_place, others)
    waiting = DEALT.empty_table()
    for rows in own:
        last = int(rows.column(PLACE).to_numpy().max(initial=0))
        while (not waiting.num_rows or waiting.column(PLACE)[-1].as_py() <= last) and (
            more := next(coming, None)
        ):
            waiting = pa.concat_tables([waiting, more])
        count = int((waiting.column(PLACE).to_numpy() <= last).sum())
        yield by_place(pa.concat_tables([rows, waiting.slice(0, count)]))
        waiting = waiting.slice(count)
    yield waiting
    yield from coming


def by_place(rows: pa.Table) -> pa.Table:
    """Rows in the order of their places; ids tell equal contents apart."""
    return rows.sort_by([(PLACE, "ascending"), ("id", "ascending")])
