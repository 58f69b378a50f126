"""Mark examples that are about text that is gone, as the generation room knows it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.dataset.imports.item_convert import GenerationItem, gone_time, replaced_by
from services.dataset.source_marks.store import SourceMarkStore
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import candidate_service_pb2, question_service_pb2

PAGE = 1000
ASKED_AT_ONCE = 50
"""Items that are asked for one by one, as they are no longer among those that are marked."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"

Page = tuple[Sequence[GenerationItem], str]


@dataclass(frozen=True)
class Sort:
    """Questions, or candidates.

    Args:
        are_questions: which of the two.
        page: the marked ones of a project, by its id and a page's token; and the token of the next.
        get: one by its id.
    """

    are_questions: bool
    page: Callable[[str, str], Awaitable[Page]]
    get: Callable[[str], Awaitable[GenerationItem]]


@dataclass
class Told:
    """What a job has done so far."""

    read: int = 0
    marked: int = 0
    unmarked: int = 0


class SourceMarks:
    """Holds the marks of examples beside those of their questions and candidates."""

    def __init__(self, client: Client, store: SourceMarkStore) -> None:
        self._client = client
        self._store = store
        self._sorts = (
            Sort(True, self._marked_questions, self._question),
            Sort(False, self._marked_candidates, self._candidate),
        )

    async def take_over(
        self, project_id: str, items: Iterable[GenerationItem], job_id: str | None = None
    ) -> tuple[int, int]:
        """Mark the examples of some items as these are (see `mark`); reject those of replaced ones."""
        items = list(items)
        await self._store.reject_replaced(project_id, replaced_by(items))
        return await self._store.take_over(project_id, {one.id: gone_time(one) for one in items}, job_id)

    async def mark(self, project_id: str, job_id: str, tell: Callable[[str], Awaitable[None]]) -> None:
        """Mark all examples of a project as their questions and candidates are.

        Marked items come by id, so that an example between two of them is to be marked no more.

        Args:
            project_id: the project.
            job_id: the job that does so; it counts what is marked.
            tell: is told in a few words how far it is.

        Raises:
            ApiError: the generation room is away.
        """
        told = Told()
        for sort in self._sorts:
            await self._mark(project_id, job_id, tell, sort, told)

    async def _mark(
        self, project_id: str, job_id: str, tell: Callable[[str], Awaitable[None]], sort: Sort, told: Told
    ) -> None:
        """Mark the examples of a sort of items."""
        after, token = FIRST_ID, ""
        while True:
            items, token = await sort.page(project_id, token)
            told.marked += (await self.take_over(project_id, items, job_id))[0]
            told.read += len(items)
            last = items[-1].id if token else None
            still = [one.id for one in items]
            told.unmarked += await self._unmark(project_id, job_id, sort, after, last, still)
            await tell(
                f"{told.read} marked questions and candidates read, {told.marked} examples newly marked, "
                f"{told.unmarked} no longer"
            )
            if last is None:
                return
            after = last

    async def _unmark(
        self, project_id: str, job_id: str, sort: Sort, after: str, last: str | None, still: list[str]
    ) -> int:
        """Of examples whose items are between two, mark those no more whose items are not."""
        unmarked = 0
        while found := await self._store.marked(
            project_id, sort.are_questions, after, last, still, ASKED_AT_ONCE
        ):
            items = await asyncio.gather(*(self._there(sort, item_id) for item_id in found))
            gone: dict[str, datetime | None] = {one.id: gone_time(one) for one in items if one}
            unmarked += (await self._store.take_over(project_id, gone, job_id))[1]
            after = found[-1]
        return unmarked

    async def _there(self, sort: Sort, item_id: str) -> GenerationItem | None:
        """An item; nothing where it was deleted."""
        try:
            return await sort.get(item_id)
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            return None

    async def _marked_questions(self, project_id: str, token: str) -> Page:
        page = await self._client.questions.ListQuestions(
            question_service_pb2.ListQuestionsRequest(
                project_id=project_id, source_gone=True, page_size=PAGE, page_token=token
            )
        )
        return page.questions, page.next_page_token

    async def _marked_candidates(self, project_id: str, token: str) -> Page:
        page = await self._client.candidates.ListCandidates(
            candidate_service_pb2.ListCandidatesRequest(
                project_id=project_id, source_gone=True, page_size=PAGE, page_token=token
            )
        )
        return page.candidates, page.next_page_token

    async def _question(self, question_id: str) -> GenerationItem:
        request = question_service_pb2.GetQuestionRequest(id=question_id)
        return (await self._client.questions.GetQuestion(request)).question

    async def _candidate(self, candidate_id: str) -> GenerationItem:
        request = candidate_service_pb2.GetCandidateRequest(id=candidate_id)
        return (await self._client.candidates.GetCandidate(request)).candidate
