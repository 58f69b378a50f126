"""Marks what was written about chunks that are gone."""

from __future__ import annotations

from services.generation.writers.desk import Desk
from services.runtime.jobs import Item


class SourceMarker:
    """Does the item `mark_sources`, the only one of its job."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def mark_sources(self, item: Item) -> None:
        """Mark all of a project; one that begins again goes on with what is not marked yet."""
        desk = self._desk

        async def tell(words: str) -> None:
            await desk.jobs.set_progress(item.job_id, words)

        await desk.changes.mark(item.project_id, job_id=item.job_id, tell=tell)
        async with desk.jobs.finish(item):
            pass
