"""Stop a run, let it rest, and let it go on: by its job, whose state is that of the run."""

from __future__ import annotations

from services.runtime.errors import FailedPrecondition
from services.trainer.store import Store
from services.trainer.training_runs import TrainingRun


class RunControl:
    """What people do to runs.

    Args:
        store: of the room.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def cancel(self, run_id: str) -> TrainingRun:
        """Stop a run for good; one that has ended stays as it is.

        Raises:
            NotFound: there is none.
        """
        run = await self._store.get_run(run_id)
        await self._store.jobs.cancel(run.job.id)
        return await self._store.get_run(run_id)

    async def pause(self, run_id: str) -> TrainingRun:
        """Have a run write a checkpoint and free its devices.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it has ended.
        """
        run = await self._store.get_run(run_id)
        check_open(run)
        await self._store.jobs.pause(run.job.id)
        return await self._store.get_run(run_id)

    async def resume(self, run_id: str) -> TrainingRun:
        """Queue a paused run again.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it has ended.
        """
        run = await self._store.get_run(run_id)
        check_open(run)
        await self._store.jobs.resume(run.job.id)
        return await self._store.get_run(run_id)

    async def retry(self, run_id: str, request_id: str) -> TrainingRun:
        """Queue a failed run again; the same request id does so once.

        Raises:
            NotFound: there is none.
            FailedPrecondition: it was cancelled.
        """
        run = await self._store.get_run(run_id)
        await self._store.jobs.retry(run.job.id, request_id)
        return await self._store.get_run(run_id)


def check_open(run: TrainingRun) -> None:
    """Refuse what would change nothing.

    Raises:
        FailedPrecondition: the run has ended.
    """
    if run.job.ended:
        raise FailedPrecondition(
            "TRAINING_RUN_ENDED",
            f"the run has ended ({run.state}), so nothing was changed; a failed one is tried again with "
            f"`sishu run retry {run.id}`",
            run_id=run.id,
            state=run.state,
        )
