"""Mark examples whose questions are about text that is gone, as the generation room knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from services.dataset.imports.convert import gone_time, replaced_by
from services.dataset.source_marks.store import SourceMarkStore
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import question_pb2, question_service_pb2

PAGE = 1000
ASKED_AT_ONCE = 50
"""Questions that are asked for one by one, as they are no longer among those that are marked."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"


class SourceMarks:
    """Holds the marks of examples beside those of their questions."""

    def __init__(self, client: Client, store: SourceMarkStore) -> None:
        self._client = client
        self._store = store

    async def take_over(
        self, project_id: str, questions: Iterable[question_pb2.Question], job_id: str | None = None
    ) -> tuple[int, int]:
        """Mark the examples of some questions as these are (see `mark`); reject those of replaced ones."""
        questions = list(questions)
        await self._store.reject_replaced(project_id, replaced_by(questions))
        return await self._store.take_over(project_id, {one.id: gone_time(one) for one in questions}, job_id)

    async def mark(self, project_id: str, job_id: str, tell: Callable[[str], Awaitable[None]]) -> None:
        """Mark all examples of a project as their questions are.

        Marked questions come by id, so that an example between two of them is to be marked no more.

        Args:
            project_id: the project.
            job_id: the job that does so; it counts what is marked.
            tell: is told in a few words how far it is.

        Raises:
            ApiError: the generation room is away.
        """
        read = marked = unmarked = 0
        after: str = FIRST_ID
        request = question_service_pb2.ListQuestionsRequest(
            project_id=project_id, source_gone=True, page_size=PAGE
        )
        while True:
            page = await self._client.questions.ListQuestions(request)
            more, _ = await self.take_over(project_id, page.questions, job_id)
            marked += more
            read += len(page.questions)
            request.page_token = page.next_page_token
            last = page.questions[-1].id if request.page_token else None
            still = [one.id for one in page.questions]
            unmarked += await self._unmark(project_id, job_id, after, last, still)
            await tell(f"{read} marked questions read, {marked} examples newly marked, {unmarked} no longer")
            if last is None:
                return
            after = last

    async def _unmark(
        self, project_id: str, job_id: str, after: str, last: str | None, still: list[str]
    ) -> int:
        """Of examples whose questions are between two, mark those no more whose questions are not."""
        unmarked = 0
        while found := await self._store.marked(project_id, after, last, still, ASKED_AT_ONCE):
            told = await asyncio.gather(*map(self._question, found))
            gone: dict[str, datetime | None] = {one.id: gone_time(one) for one in told if one}
            unmarked += (await self._store.take_over(project_id, gone, job_id))[1]
            after = found[-1]
        return unmarked

    async def _question(self, question_id: str) -> question_pb2.Question | None:
        """A question; nothing where it was deleted."""
        request = question_service_pb2.GetQuestionRequest(id=question_id)
        try:
            return (await self._client.questions.GetQuestion(request)).question
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            return None
