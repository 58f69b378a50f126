"""Writes the shards of a dataset version from the examples as they are at one instant."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.dataset.copies.sketches import Sketches
from services.dataset.leak_checks.finding import Guarded
from services.dataset.leak_checks.meanings import comparing_meanings
from services.dataset.versions.entries import Entries
from services.dataset.versions.leaking import checked, guarded_against
from services.dataset.versions.planning import Made, Plan, Planner, coverage, source_counts
from services.dataset.versions.reading import HEADER, RowReader, parsed
from services.dataset.versions.replay_fitting import Own
from services.dataset.versions.replaying import Replayer, ReplaySource, interleaved
from services.dataset.versions.shards import Dealer, Shard, ShardCutter, Unwritten, of_side
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import SPLITS, DatasetVersion
from services.runtime.jobs import Item, Jobs
from sishu.client import Client

BLOCK = 16 << 20
"""Bytes of rows that are taken at once."""
STAGES = 2
"""Blocks that are worked on at a time, each at another stage."""
WRITTEN_AT_ONCE = 2
"""Shards that are written at a time; each has some 50 MB of rows of 1 KB."""


class VersionWriter:
    """Writes the shards of one version into a folder."""

    def __init__(
        self,
        jobs: Jobs,
        store: VersionStore,
        item: Item,
        version: DatasetVersion,
        folder: Path,
        client: Client,
        benchmarks: Sequence[Guarded] = (),
        replay: ReplaySource | None = None,
    ) -> None:
        self._client = client
        self._replay = replay
        self._benchmarks = benchmarks
        self._jobs = jobs
        self._store = store
        self._item = item
        self._version = version
        self._folder = folder

    async def write(self, take: Callable[[Shard], None]) -> Made:
        """Decide where each example goes, and write the shards.

        Args:
            take: is given each shard when it is written, in the thread that writes them.

        Raises:
            FailedPrecondition: no kept example is left, or leaks block the version.
        """
        await self._tell("reading examples")
        reader = RowReader(self._folder, self._version.options, await self._store.count(self._version))
        async with Blocks(reader) as blocks:
            await self._store.copy_rows(self._version, blocks.add)
        entries, sketches = await asyncio.to_thread(reader.finish)
        await self._tell(f"splitting {len(entries)} examples")
        plan = await asyncio.to_thread(lambda: Planner(entries, sketches, self._version.options).plan())
        made = await self._checked(plan, entries, sketches, reader.dealer)
        await self._tell(f"writing {sum(made.plan.split_counts.values())} examples")
        await asyncio.to_thread(self._write, reader, made, take)
        return made

    async def _checked(self, plan: Plan, entries: Entries, sketches: Sketches, dealer: Dealer) -> Made:
        """A plan without what leaks, and with the general data of another version, if that is wished."""
        options = self._version.options
        guarded = await asyncio.to_thread(guarded_against, plan, dealer, self._benchmarks, self._version)
        provider, least = options.leak_embedding_provider_id, options.leak_meaning_similarity
        async with comparing_meanings(self._client, provider, least, guarded) as spent:
            plan, leaks = await asyncio.to_thread(
                checked, plan, entries.facts, dealer, guarded, self._version
            )
            sources = source_counts(entries, plan.sides)
            made = Made(plan, coverage(entries, plan.sides), sources, leaks)
            if self._replay:
                await self._tell("choosing general data")
                own = Own(entries, sketches, dealer, guarded)
                replayer = Replayer(self._replay, self._version, own, plan, self._folder)
                made = await asyncio.to_thread(replayer.mixed_into, made)
        return replace(made, spent=spent() if provider else None)

    def _write(self, reader: RowReader, made: Made, take: Callable[[Shard], None]) -> None:
        cutters = {
            side: ShardCutter(self._folder, name)
            for side, name in enumerate(SPLITS)
            if name in made.plan.split_counts
        }
        ranges = reader.dealer.ranges()
        if made.replay_dealer:
            ranges = interleaved(ranges, made.replay_dealer.ranges())
        for shard in deal(ranges, made.plan.sides, cutters):
            take(shard)

    async def _tell(self, words: str) -> None:
        await self._jobs.set_progress(self._item.job_id, words)


class Blocks:
    """Hands rows to a reader in blocks: one is parsed and one taken, in threads, while the next comes in."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader
        self._parts: list[bytes] = []
        self._size = 0
        self._begun = False
        self._working: deque[asyncio.Task[None]] = deque()

    async def __aenter__(self) -> Blocks:
        return self

    async def __aexit__(self, *error: object) -> None:
        if error[0] is None and self._parts:
            await self._hand_over()
        # All have ended before their folder goes, whatever becomes of them.
        ended = await asyncio.gather(*self._working, return_exceptions=True)
        failed = [one for one in ended if isinstance(one, BaseException)]
        if error[0] is None and failed:
            raise failed[0]

    async def add(self, rows: bytes) -> None:
        """Take whole rows: Postgres sends every row in a message of its own, and the end of all, too."""
        self._parts.append(rows if self._begun else rows[HEADER:])
        self._begun = True
        self._size += len(rows)
        if self._size >= BLOCK:
            await self._hand_over()

    async def _hand_over(self) -> None:
        block, self._parts, self._size = b"".join(self._parts), [], 0
        if len(self._working) == STAGES:
            # Whoever cancels this ends no thread: it is waited for at the end.
            await asyncio.shield(self._working[0])
            self._working.popleft()
        before = self._working[-1] if self._working else None
        self._working.append(asyncio.create_task(self._work(block, before)))

    async def _work(self, block: bytes, before: asyncio.Task[None] | None) -> None:
        rows = await asyncio.to_thread(parsed, block)
        if before:
            await before
        await asyncio.to_thread(self._reader.add, rows)


def deal(
    ranges: Iterable[pa.Table], sides: npt.NDArray[np.int8], cutters: dict[int, ShardCutter]
) -> Iterator[Shard]:
    """Give every split its rows in the order of their places, the next while some are written; the shards."""
    parts = ({side: of_side(rows, sides, side) for side in cutters} for rows in ranges)
    with ThreadPoolExecutor(1) as cutting, ThreadPoolExecutor(WRITTEN_AT_ONCE) as writing:
        waiting: deque[Future[Shard]] = deque()
        for shard in full_shards(parts, cutters, cutting):
            waiting.append(writing.submit(shard.write))
            if len(waiting) > WRITTEN_AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def full_shards(
    parts: Iterator[dict[int, pa.Table]], cutters: dict[int, ShardCutter], pool: ThreadPoolExecutor
) -> Iterator[Unwritten]:
    """Shards as they become full, and at last what is left; the next rows are cut out meanwhile."""
    coming = pool.submit(next, parts, None)
    while part := coming.result():
        coming = pool.submit(next, parts, None)
        for side, cutter in cutters.items():
            yield from cutter.add(part[side])
    for cutter in cutters.values():
        yield from cutter.finish()
