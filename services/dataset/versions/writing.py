"""Writes the files of a dataset version from the examples as they are at one instant."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

import orjson
import pyarrow as pa

from services.dataset.exam_split import Entry, Split
from services.dataset.formats import MadeFile, SplitFiles, shard_file, with_system_prompt, write_dataset_info
from services.dataset.versions.shards import DEALT, PLACE, Dealer, place_of, row_of, table_of
from services.dataset.versions.store import Snapshot, VersionStore
from services.dataset.versions.versions import DatasetVersion, entry_of, plan
from services.runtime.jobs import Item, Jobs

Sides = Mapping[str, tuple[str, int]]
"""Split and place of each example of a version, by its id."""


class VersionWriter:
    """Writes the files of one version into a folder."""

    def __init__(
        self, jobs: Jobs, store: VersionStore, item: Item, version: DatasetVersion, folder: Path
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._item = item
        self._version = version
        self._folder = folder

    async def write(self) -> tuple[Split, list[MadeFile]]:
        """Decide where each example goes, and write the files.

        Raises:
            FailedPrecondition: no kept example is left.
        """
        async with self._store.snapshot() as snapshot:
            split, history = await self._plan(snapshot)
            dealers = await self._deal(snapshot, split)
            made = []
            for side, dealer in dealers.items():
                await self._tell(f"writing {side}")
                made += await asyncio.to_thread(self._finish, side, dealer, history)
        return split, made

    async def _plan(self, snapshot: Snapshot) -> tuple[Split, bool]:
        await self._tell("reading examples")
        entries: list[Entry] = []
        history = False
        async for examples in snapshot.kept_examples(self._version):
            entries += map(entry_of, examples)
            history |= any(example.kind == "conversation" for example in examples)
        await self._tell(f"splitting {len(entries)} examples")
        return await asyncio.to_thread(plan, entries, self._version.options), history

    async def _deal(self, snapshot: Snapshot, split: Split) -> dict[str, Dealer]:
        seed, prompt = self._version.options.seed, self._version.options.system_prompt
        sides: Sides = {
            entry.id: (side, place_of(entry.digest, seed))
            for side, entries in split.sides.items()
            for entry in entries
        }
        dealers = {side: Dealer(self._folder, side, len(entries)) for side, entries in split.sides.items()}
        dealt = 0
        async for examples in snapshot.kept_examples(self._version):
            said = [with_system_prompt(one, prompt) for one in examples if one.id in sides]
            rows = [(sides[one.id][0], {**row_of(one), PLACE: sides[one.id][1]}) for one in said]
            for side, dealer in dealers.items():
                mine = [row for its_side, row in rows if its_side == side]
                if mine:
                    await asyncio.to_thread(dealer.add, table_of(mine, DEALT))
            dealt += len(rows)
            await self._tell(f"{dealt} of {len(sides)} examples read")
        return dealers

    def _finish(self, side: str, dealer: Dealer, history: bool) -> list[MadeFile]:
        shards: list[MadeFile] = []
        with contextlib.closing(SplitFiles(self._folder, side, history)) as files:
            for shard, rows in dealer.finish():
                shards.append(shard_file(shard.path.name, side, shard.rows))
                for batch in rows.select(["id", "kind", "content"]).to_batches(BATCH):
                    files.write(contents(batch))
        return [*shards, *files.files, write_dataset_info(self._folder, side, history)]

    async def _tell(self, words: str) -> None:
        await self._jobs.set_progress(self._item.job_id, words)


BATCH = 1000
"""Rows written at once."""


def contents(batch: pa.RecordBatch) -> list[dict[str, object]]:
    """Id, kind and content of each row."""
    return [
        {"id": row["id"], "kind": row["kind"], **orjson.loads(row["content"])} for row in batch.to_pylist()
    ]
