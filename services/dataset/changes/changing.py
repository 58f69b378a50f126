"""Does the items of `update_examples` jobs."""

from __future__ import annotations

import structlog

from services.dataset.changes.applying import Applier
from services.dataset.changes.store import ChangeStore
from services.runtime.db import had_again
from services.runtime.jobs import Item, Jobs

log = structlog.get_logger()


class ChangeWorker:
    """Does the items of `update_examples` jobs."""

    def __init__(self, jobs: Jobs, store: ChangeStore, applier: Applier) -> None:
        self._applier = applier
        self._jobs = jobs
        self._store = store

    async def update_examples(self, item: Item) -> None:
        """Go on with a change from where it has got to; each step is stored with its place."""
        while await had_again(lambda: self._step(item)):
            change = await self._store.get(item.resource_id)
            progress = f"{change.changed} examples changed, {change.skipped} as they were"
            await self._jobs.set_progress(item.job_id, progress)
        async with self._jobs.finish(item):
            pass
        log.info("examples_changed", example_change_id=item.resource_id)

    async def _step(self, item: Item) -> bool:
        """Change some examples; whether there may be more."""
        change_id, project_id = item.resource_id, item.project_id
        applied = await self._applier.step(change_id, project_id)
        return await self._store.step(change_id, project_id) if applied is None else applied
