"""Does the items of jobs that mark sources."""

from __future__ import annotations

from services.dataset.source_marks.source_marks import SourceMarks
from services.runtime.jobs import Item, Jobs


class MarkWorker:
    """Does the items of `mark_sources` jobs."""

    def __init__(self, jobs: Jobs, marks: SourceMarks) -> None:
        self._jobs = jobs
        self._marks = marks

    async def mark_sources(self, item: Item) -> None:
        """Mark the examples of a project; one that begins again goes on with what is not marked yet."""

        async def tell(words: str) -> None:
            await self._jobs.set_progress(item.job_id, words)

        await self._marks.mark(item.project_id, item.job_id, tell)
        async with self._jobs.finish(item):
            pass
