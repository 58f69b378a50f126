"""Does the items of imports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from services.dataset.imports.convert import example_from_question, needs_passage
from services.dataset.imports.store import ImportStore
from services.dataset.source_marks.source_marks import SourceMarks
from services.runtime.at_once import each_of
from services.runtime.jobs import Item, Jobs
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import question_pb2, question_service_pb2
from sishu.ingest.v1 import chunk_service_pb2

PAGE = 200
"""Questions asked for at once."""
ENDED = (question_pb2.QUESTION_STATE_ANSWERED, question_pb2.QUESTION_STATE_REJECTED)
"""States of questions of which nothing more comes."""

log = structlog.get_logger()


class ImportWorker:
    """Does the items of `import_examples` jobs."""

    def __init__(self, jobs: Jobs, store: ImportStore, client: Client, marks: SourceMarks) -> None:
        self._jobs = jobs
        self._store = store
        self._client = client
        self._marks = marks

    async def import_examples(self, item: Item) -> None:
        """Make an example of every answered or rejected question of a generation that has none yet."""
        read = added = 0
        request = question_service_pb2.ListQuestionsRequest(
            project_id=item.project_id, generation_id=item.resource_id, page_size=PAGE
        )
        while True:
            page = await self._client.questions.ListQuestions(request)
            added += await self._import_page(item, page.questions)
            await self._marks.take_over(item.project_id, page.questions)
            read += len(page.questions)
            await self._jobs.set_progress(item.job_id, f"{read} questions read, {added} examples made")
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        async with self._jobs.finish(item):
            pass
        log.info("examples_imported", generation_id=item.resource_id, questions=read, examples=added)

    async def _import_page(self, item: Item, questions: Sequence[question_pb2.Question]) -> int:
        ended = [question for question in questions if question.state in ENDED]
        passages = await self._passages({one.chunk_ids[0] for one in ended if needs_passage(one)})
        examples = [
            example_from_question(one, passages.get(one.chunk_ids[0]) if needs_passage(one) else None)
            for one in ended
        ]
        origin = (item.job_id, item.project_id, item.resource_id)
        return await self._store.add(*origin, examples) if examples else 0

    async def _passages(self, chunk_ids: Iterable[str]) -> dict[str, str]:
        """What chunks say, by their ids; those that are gone are left out."""
        found: dict[str, str] = {}

        async def read(chunk_id: str) -> None:
            try:
                answer = await self._client.chunks.GetChunk(chunk_service_pb2.GetChunkRequest(id=chunk_id))
            except ApiError as error:
                if error.reason != "CHUNK_NOT_FOUND":
                    raise
            else:
                found[chunk_id] = answer.chunk.text.strip()

        await each_of(chunk_ids, read)
        return found
