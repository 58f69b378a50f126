"""Checkpoints go into the bucket while the engine works; what is not to be kept is deleted there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from services.runtime.errors import FailedPrecondition, SishuError
from services.runtime.ids import new_id
from services.runtime.storage import Storage
from services.trainer.artifacts import local_files, upload_folder
from services.trainer.checkpoints import files
from services.trainer.checkpoints.keeping import kept
from services.trainer.checkpoints.store import Checkpoints, StoredCheckpoint
from services.trainer.guarding import AWAY, patiently
from services.trainer.run_events import RunEvent
from services.trainer.training_runs import TrainingRun

LOOK_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

Tell = Callable[[RunEvent], Awaitable[None]]

log = structlog.get_logger()


@dataclass
class Uploader:
    """Keeps the checkpoints of a run in the bucket, as this machine's folder has them.

    Args:
        storage: the bucket.
        checkpoints: the table.
        run: the run.
        work: its folder.
        holder: of the lease by which this worker has the run.
        tell: takes what happens.
        count: takes the bytes of what is stored.
    """

    storage: Storage
    checkpoints: Checkpoints
    run: TrainingRun
    work: Path
    holder: str
    tell: Tell
    count: Callable[[int], None] = lambda size: None
    _seen: Mapping[int, str] = field(default_factory=dict)
    """What was on this machine when all was done last."""
    _trouble: str = ""

    async def keep_on(self) -> None:
        """Upload what appears, until cancelled; while bucket or database is away, it is tried again."""
        pause = LOOK_SECONDS
        while True:
            try:
                await self.catch_up()
                pause = LOOK_SECONDS
            except (*AWAY, SishuError) as error:
                await self._note(error)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def finish(self, seconds: float) -> bool:
        """Upload the newest one, as nobody makes another; whether that is done within the time."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        await self.catch_up()
                    except (*AWAY, SishuError) as error:
                        if isinstance(error, FailedPrecondition):
                            raise
                        await self._note(error)
                        await asyncio.sleep(LOOK_SECONDS)
                    else:
                        return True
        except (TimeoutError, FailedPrecondition) as error:
            log.warning("last_checkpoint_not_stored", run_id=self.run.id, error=str(error))
            return False

    async def catch_up(self) -> None:
        """Upload the newest that is not there yet, then others that are to be kept; delete the rest.

        Raises:
            Unavailable: the bucket is away.
            ItemClosed: another worker has the run.
            FailedPrecondition: this machine's disk has no room.
        """
        here = await asyncio.to_thread(files.local_digests, self.work)
        while here != self._seen:
            await self._bring(here)
            # Only now: what failed is tried again.
            self._seen = here
            here = await asyncio.to_thread(files.local_digests, self.work)

    async def settle(self, seconds: float) -> None:
        """Have all that is to be kept in the bucket, and the rest deleted, once every loss is known.

        No engine works any more. Bucket and database may be away for `seconds`.

        Raises:
            Unavailable: the bucket was away for longer.
            ItemClosed: another worker has the run.
            FailedPrecondition: this machine's disk has no room.
        """

        async def attempt() -> None:
            try:
                await self._bring(await asyncio.to_thread(files.local_digests, self.work))
            except (*AWAY, SishuError) as error:
                await self._note(error)
                raise

        await patiently(attempt, seconds)

    async def _bring(self, here: Mapping[int, str]) -> None:
        """Upload what is to be kept of what is here, and delete what is not."""
        for step in await self._wanted(here):
            await self._upload(step)
        await self.tidy()

    async def _wanted(self, here: Mapping[int, str]) -> list[int]:
        """Steps on this machine that the bucket lacks, the newest first."""
        stored = set()
        for row in await self.checkpoints.of_run(self.run.id):
            if is_undone(row, here):
                await self.delete(row)
            elif row.complete:
                stored.add(row.step)
        losses = await self.checkpoints.losses(self.run.id, {*here, *stored})
        wanted = self._kept({*here, *stored}, losses)
        return [step for step in here if step in wanted and step not in stored]

    def _kept(self, steps: Iterable[int], losses: Mapping[int, float]) -> set[int]:
        config = self.run.config
        return kept(steps, losses, config.keep_checkpoints, config.keep_best_checkpoints)

    async def _upload(self, step: int) -> None:
        """Store one checkpoint, unless the engine has deleted it meanwhile."""
        with local_files(self.work):
            stage = await asyncio.to_thread(files.staged, self.work, step)
        try:
            if stage is not None:
                await self._store(step, stage)
        finally:
            await asyncio.to_thread(files.drop_stage, self.work)

    async def _store(self, step: int, stage: Path) -> None:
        checkpoint_id = new_id()
        prefix = f"{self.run.checkpoints_prefix}step-{step:08d}-{checkpoint_id}/"
        # First the row: what is uploaded is found by it, and deleted where it is never completed.
        await self.checkpoints.begin(checkpoint_id, self.run.id, step, prefix, self.holder)
        uploaded = await upload_folder(self.storage, stage, prefix)
        await self.checkpoints.complete(checkpoint_id, uploaded, self.holder)
        self._trouble = ""
        size = sum(file.size_bytes for file in uploaded)
        self.count(size)
        log.info("checkpoint_stored", run_id=self.run.id, step=step, size_bytes=size)
        await self.tell(
            RunEvent(
                "checkpoint_stored",
                f"the checkpoint of step {step} is in the bucket",
                {"step": str(step), "size_bytes": str(size)},
            )
        )

    async def tidy(self) -> None:
        """Delete what is not to be kept, and what was never completed."""
        rows = await self.checkpoints.of_run(self.run.id)
        losses = {row.step: row.validation_loss for row in rows if row.validation_loss is not None}
        steps = self._kept((row.step for row in rows if row.complete), losses)
        for row in rows:
            if not row.complete or row.step not in steps:
                await self.delete(row)

    async def delete(self, row: StoredCheckpoint) -> None:
        """Delete one from the bucket, then from the table."""
        await self.storage.delete_prefix(row.prefix)
        await self.checkpoints.drop(row.id)

    async def _note(self, error: Exception) -> None:
        """Say what is in the way, once for each trouble."""
        message = error.message if isinstance(error, SishuError) else str(error) or type(error).__name__
        log.warning("checkpoint_not_stored", run_id=self.run.id, error=message)
        if message != self._trouble:
            self._trouble = message
            with contextlib.suppress(*AWAY):
                words = f"a checkpoint is not in the bucket yet, and is tried again: {message}"
                await self.tell(RunEvent("upload_failed", words))


def is_undone(row: StoredCheckpoint, here: Mapping[int, str]) -> bool:
    """Whether a run that went back has left a checkpoint behind.

    It is of a later step than any that is there, or of one that was done again.

    Args:
        row: of the bucket.
        here: SHA-256 of the manifests on the machine that has the run, by step.
    """
    if not here or not row.complete:
        return False
    return row.step > max(here) or here.get(row.step, row.manifest_sha256) != row.manifest_sha256
