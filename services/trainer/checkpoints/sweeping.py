"""Checkpoints of cancelled runs go from the bucket, whether or not a worker had the run."""

from __future__ import annotations

import structlog

from services.runtime.errors import NotFound
from services.runtime.storage import Storage
from services.trainer.checkpoints.store import Checkpoints
from services.trainer.store import Store
from services.trainer.training_runs import TrainingRun

SWEEP_SECONDS = 600.0

log = structlog.get_logger()


async def drop_checkpoints(storage: Storage, checkpoints: Checkpoints, run: TrainingRun) -> None:
    """Delete all checkpoints of a run that nobody goes on with, those too of which only objects are left."""
    await storage.delete_prefix(run.checkpoints_prefix)
    await checkpoints.drop_all(run.id)


class CheckpointSweeper:
    """Deletes what a worker would have, had it had the run when that was cancelled: one that was paused, say.

    Args:
        store: the room's tables.
        storage: the bucket.
        silence_seconds: after so long a worker that says nothing has no run any more.
    """

    def __init__(self, store: Store, storage: Storage, silence_seconds: float) -> None:
        self._store = store
        self._storage = storage
        self._checkpoints = Checkpoints(store.pool)
        self._silence = silence_seconds

    async def sweep(self) -> bool:
        """Sweep some; whether there may be more."""
        ids = await self._checkpoints.left_behind(self._silence)
        for run_id in ids:
            try:
                run = await self._store.get_run(run_id)
            except NotFound:
                # Deleted meanwhile, and its objects with it.
                continue
            await drop_checkpoints(self._storage, self._checkpoints, run)
            log.info("checkpoints_swept", run_id=run_id)
        return bool(ids)
