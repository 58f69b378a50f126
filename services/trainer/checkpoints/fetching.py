"""A run that goes on here from a checkpoint that another machine made."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog

from services.runtime.errors import NotFound
from services.runtime.storage import Storage, file_info
from services.trainer.artifacts import CHECKPOINTS, FETCHED, drop_fetched, drop_folder, local_files
from services.trainer.checkpoints import files
from services.trainer.checkpoints.store import Checkpoints, StoredCheckpoint
from services.trainer.checkpoints.uploading import Tell
from services.trainer.engine import checkpoint
from services.trainer.run_events import RunEvent

log = structlog.get_logger()


class Fetcher:
    """Brings the newest valid checkpoint of a run to this machine.

    Args:
        storage: the bucket.
        checkpoints: the table.
        tell: takes what happens.
    """

    def __init__(self, storage: Storage, checkpoints: Checkpoints, tell: Tell) -> None:
        self._storage = storage
        self._checkpoints = checkpoints
        self._tell = tell

    async def bring(self, run_id: str, work: Path) -> None:
        """Have it in the run's folder, unless what is there is as new and sound.

        One that the bucket does not have whole is passed over, and told; the one before is taken.

        Raises:
            Unavailable: the bucket is away.
            FailedPrecondition: this machine's disk has no room.
        """
        stored = [row for row in await self._checkpoints.of_run(run_id) if row.complete]
        if not stored:
            return
        with local_files(work):
            here = await asyncio.to_thread(files.newest_sound_step, work, stored[-1].step)
            for row in stored:
                if row.step <= here:
                    return
                if await self._fetch(row, work):
                    words = f"the checkpoint of step {row.step} was fetched from the bucket"
                    await self._tell(RunEvent("checkpoint_fetched", words, {"step": str(row.step)}))
                    return
                words = f"the checkpoint of step {row.step} is damaged in the bucket, and passed over"
                await self._tell(RunEvent("checkpoint_damaged", words, {"step": str(row.step)}))
                await self._storage.delete_prefix(row.prefix)
                await self._checkpoints.drop(row.id)

    async def _fetch(self, row: StoredCheckpoint, work: Path) -> bool:
        """Have one here; false where the bucket does not have it as it was stored."""
        part = await asyncio.to_thread(_fresh_folder, work)
        try:
            for file in row.files:
                path = part / file.name
                await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
                await self._storage.get_file(file.key, path)
                if (await asyncio.to_thread(file_info, path)).sha256 != file.sha256:
                    log.warning("checkpoint_damaged", key=file.key)
                    return False
            await asyncio.to_thread(_take_over, part, work, row.step, [file.name for file in row.files])
        except NotFound as error:
            log.warning("checkpoint_damaged", error=error.message)
            return False
        finally:
            await asyncio.to_thread(drop_folder, part)
        return True


def _fresh_folder(work: Path) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    drop_fetched(work)
    return Path(tempfile.mkdtemp(prefix=FETCHED, dir=work))


def _take_over(part: Path, work: Path, step: int, names: Sequence[str]) -> None:
    """Put what was fetched in place: what the run knows first, as a checkpoint counts by its name alone."""
    for name in names:
        if name.startswith(f"{files.RECORD}/"):
            (part / name).replace(work / Path(name).name)
    target = checkpoint.checkpoint_path(work / CHECKPOINTS, step)
    drop_folder(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    (part / files.STATE).rename(target)
