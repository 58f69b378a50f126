"""The table of checkpoints that are in the bucket, or on their way into it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from services.runtime.db import Pool
from services.runtime.jobs import ItemClosed
from services.runtime.pages import Page, PageRequest, page_of
from services.runtime.sql import Statements
from services.trainer.models import ModelFile

SQL = Statements(Path(__file__).parents[1] / "sql" / "checkpoints.sql")

MANIFEST = "checkpoint/manifest.json"
"""Name of its manifest within its prefix."""


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint as the database has it; only a complete one counts."""

    id: str
    step: int
    prefix: str
    files: Sequence[ModelFile]
    size_bytes: int
    complete: bool
    create_time: datetime
    loss: float | None = None
    validation_loss: float | None = None

    @property
    def manifest_sha256(self) -> str:
        """Which checkpoint it is of those that a run may have made after the step."""
        return next((file.sha256 for file in self.files if file.name == MANIFEST), "")


class Checkpoints:
    """The table of checkpoints.

    Args:
        pool: of the room's database.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def begin(self, checkpoint_id: str, run_id: str, step: int, prefix: str, holder: str) -> None:
        """Note that an upload begins.

        Raises:
            ItemClosed: another worker has the run.
        """
        if (
            await self._pool.fetchval(SQL.begin_checkpoint, checkpoint_id, run_id, step, prefix, holder)
            is None
        ):
            raise ItemClosed

    async def complete(self, checkpoint_id: str, files: Sequence[ModelFile], holder: str) -> None:
        """Note that the bucket has all of it.

        Raises:
            ItemClosed: another worker has the run.
        """
        told = [asdict(file) for file in files]
        size = sum(file.size_bytes for file in files)
        if await self._pool.fetchval(SQL.complete_checkpoint, checkpoint_id, told, size, holder) is None:
            raise ItemClosed

    async def drop(self, checkpoint_id: str) -> None:
        """Forget one, once its objects are gone."""
        await self._pool.execute(SQL.drop_checkpoint, checkpoint_id)

    async def drop_all(self, run_id: str) -> None:
        """Forget all of a run, once their objects are gone."""
        await self._pool.execute(SQL.drop_checkpoints, run_id)

    async def left_behind(self, silence_seconds: float) -> list[str]:
        """Ids of some runs that have checkpoints, were cancelled, and are in no worker's hands.

        Args:
            silence_seconds: after so long a worker that says nothing has none.
        """
        rows = await self._pool.fetch(SQL.runs_left_behind, silence_seconds)
        return [row["run_id"] for row in rows]

    async def of_run(self, run_id: str) -> list[StoredCheckpoint]:
        """All of a run, the newest first, those whose upload has only begun too."""
        return [_checkpoint(dict(row)) for row in await self._pool.fetch(SQL.list_of_run, run_id)]

    async def losses(self, run_id: str, steps: Iterable[int]) -> dict[int, float]:
        """The losses on the validation rows after steps, of those at which they were measured."""
        rows = await self._pool.fetch(SQL.losses_at, run_id, list(steps))
        return {row["step"]: row["validation_loss"] for row in rows}

    async def list(self, page: PageRequest, run_id: str) -> Page[StoredCheckpoint]:
        """The complete ones of a run, the newest first."""
        after = int(page.after[0]) if page.after else None
        rows = await self._pool.fetch(SQL.list_page, run_id, after, page.limit)
        return page_of([_checkpoint(dict(row)) for row in rows], page, lambda one: (str(one.step),))


def _checkpoint(row: dict[str, object]) -> StoredCheckpoint:
    files = row["files"]
    assert isinstance(files, list)  # noqa: S101  # as `complete` writes it
    return StoredCheckpoint(**{**row, "files": [ModelFile(**each) for each in files]})  # type: ignore[arg-type]
