"""What exams say so far, worked out once for each number of results."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from services.inference.exams import Exam, Summary, summarise
from services.inference.store import ExamStore

MOST_KEPT = 1000


class Standings:
    """Summaries of exams. Results are only ever added, so their number tells which they are."""

    def __init__(self, store: ExamStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[str, int], Summary] = OrderedDict()

    async def of(self, exams: Sequence[Exam]) -> dict[str, Summary]:
        """Summaries by exam id."""
        counts = await self._store.result_counts(exams)
        return {exam.id: await self._summary(exam, counts.get(exam.id, 0)) for exam in exams}

    async def _summary(self, exam: Exam, count: int) -> Summary:
        key = (exam.id, count)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        scores = await self._store.scores(exam.id)
        summary = await asyncio.to_thread(summarise, len(exam.arms), scores)
        # Results that came between count and scores belong to a later number.
        if len(scores) == count:
            self._keep(key, summary)
        return summary

    def _keep(self, key: tuple[str, int], summary: Summary) -> None:
        self._kept[key] = summary
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
