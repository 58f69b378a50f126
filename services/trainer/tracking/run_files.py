"""The files of a run in the bucket, TensorBoard's event file among them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from services.runtime.db import Pool
from services.runtime.errors import SishuError
from services.runtime.sql import Statements
from services.runtime.storage import Storage
from services.trainer.guarding import AWAY
from services.trainer.models import ModelFile
from services.trainer.tracking.event_file import EventWriter, file_name
from services.trainer.tracking.scalars import TokensSeen, scalars_of
from services.trainer.training_runs import TrainingRun

SQL = Statements(Path(__file__).parents[1] / "sql" / "run_files.sql")
FOLDER = "tensorboard"

log = structlog.get_logger()


class RunFiles:
    """Stores files of runs, and knows which there are.

    Args:
        pool: of the room's database.
        storage: the bucket.
    """

    def __init__(self, pool: Pool, storage: Storage) -> None:
        self._pool = pool
        self.storage = storage

    async def list(self, run_id: str) -> list[ModelFile]:
        """The stored files of a run by name."""
        return [ModelFile(**row) for row in await self._pool.fetch(SQL.list_files, run_id)]

    async def note(self, run_id: str, files: Sequence[ModelFile]) -> None:
        """Take note of files that are in the bucket."""
        await self._pool.executemany(SQL.upsert_file, [(run_id, *astuple(file)) for file in files])

    async def keep_event_file(self, run: TrainingRun) -> None:
        """Store the run's steps as an event file of TensorBoard; doing it again writes the same key."""
        rows = [dict(row) for row in await self._pool.fetch(SQL.list_scalars, run.id)]
        if not rows:
            return
        content = await asyncio.to_thread(event_file, run.create_time, [dict(row) for row in rows])
        name = f"{FOLDER}/{file_name(int(run.create_time.timestamp()), run.id)}"
        key = run.files_prefix + name
        info = await self.storage.put_bytes(key, content)
        await self.note(run.id, [ModelFile(name, key, info.size, info.sha256)])

    async def keep_what_there_is(self, run: TrainingRun) -> None:
        """Store the event file of a run that failed, if that goes: nothing waits for it."""
        try:
            await self.keep_event_file(run)
        except (SishuError, *AWAY) as error:
            log.warning("event_file_not_kept", run_id=run.id, error=str(error))


def event_file(create_time: datetime, steps: Sequence[Mapping[str, Any]]) -> bytes:
    """The event file of a run.

    Args:
        create_time: of the run.
        steps: rows of `list_scalars`.
    """
    writer, seen = EventWriter(create_time.timestamp()), TokensSeen()
    parts = [writer.head]
    for step in steps:
        scalars = scalars_of(step, seen.after(step["step"], step["tokens"]))
        parts.append(writer.step(step["step"], step["time"].timestamp(), scalars))
    return b"".join(parts)
