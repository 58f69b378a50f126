"""Does the items of `import_generations` jobs: page by page, each stored before the next is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

import structlog

from services.dataset.examples.examples import Example
from services.dataset.imports.candidate_convert import example_from_candidate
from services.dataset.imports.generation_store import GenerationImportStore
from services.dataset.imports.imports import GenerationSource, Import, ImportCounts
from services.dataset.imports.item_convert import GenerationItem, has_ended, is_rejected
from services.dataset.imports.profile import Profile
from services.dataset.imports.question_convert import example_from_question, needs_passage, passage_of
from services.dataset.imports.store import ImportStore
from services.dataset.source_marks.source_marks import SourceMarks
from services.dataset.tokenizers import Tokenizers
from services.runtime.at_once import each_of
from services.runtime.jobs import Item, Jobs
from sishu.client import Client
from sishu.errors import ApiError
from sishu.generation.v1 import candidate_pb2, candidate_service_pb2, question_pb2, question_service_pb2
from sishu.ingest.v1 import chunk_service_pb2

PAGE = 500
"""Questions or candidates asked for at once."""

log = structlog.get_logger()


@dataclass
class Read:
    """What was read so far."""

    ended: int = 0
    left_out: int = 0
    made: int = 0


class GenerationImportWorker:
    """Does the items of `import_generations` jobs."""

    def __init__(
        self,
        jobs: Jobs,
        imports: ImportStore,
        store: GenerationImportStore,
        client: Client,
        marks: SourceMarks,
        tokenizers: Tokenizers,
    ) -> None:
        self._jobs = jobs
        self._imports = imports
        self._store = store
        self._client = client
        self._marks = marks
        self._tokenizers = tokenizers

    async def import_generations(self, item: Item) -> None:
        """Make an example of every question and candidate that has ended and is none yet.

        Raises:
            ApiError: another room is away.
            InvalidArgument: the tokenizer cannot be had.
            ItemClosed: the job was cancelled; what is stored stays.
        """
        wanted = await self._imports.get(item.resource_id)
        profile = Profile(await self._tokenizers.load(wanted.options.tokenizer))
        source, read = wanted.generations or GenerationSource([]), Read()
        for generation_id in source.generation_ids:
            async for page in self._pages(item.project_id, generation_id):
                await self._take(item, wanted, generation_id, page, read)
                await self._jobs.set_progress(item.job_id, f"{read.ended} read, {read.made} examples made")
        async for rows in self._store.stored(wanted.id):
            await asyncio.to_thread(profile.add_stored, rows)
        figures = await asyncio.to_thread(profile.as_json)
        counts = await self._counts(wanted.id, read)
        async with self._jobs.finish(item) as connection:
            await self._imports.set_counts(connection, wanted.id, counts, figures, [])
        log.info("generations_imported", import_id=wanted.id, rows=read.ended, examples=read.made)

    async def _pages(self, project_id: str, generation_id: str) -> AsyncIterator[Sequence[GenerationItem]]:
        """The questions of a generation, then its candidates."""
        asked = question_service_pb2.ListQuestionsRequest(
            project_id=project_id, generation_id=generation_id, page_size=PAGE
        )
        more = True
        while more:
            questions = await self._client.questions.ListQuestions(asked)
            yield questions.questions
            asked.page_token = questions.next_page_token
            more = bool(asked.page_token)
        wanted = candidate_service_pb2.ListCandidatesRequest(
            project_id=project_id, generation_id=generation_id, page_size=PAGE
        )
        more = True
        while more:
            candidates = await self._client.candidates.ListCandidates(wanted)
            yield candidates.candidates
            wanted.page_token = candidates.next_page_token
            more = bool(wanted.page_token)

    async def _take(
        self, item: Item, wanted: Import, generation_id: str, page: Sequence[GenerationItem], read: Read
    ) -> None:
        """Store the examples of a page, and take over what became of those that are there."""
        ended = [one for one in page if has_ended(one)]
        with_rejected = bool(wanted.generations and wanted.generations.with_rejected)
        taken = ended if with_rejected else [one for one in ended if not is_rejected(one)]
        examples = [stamped(one, wanted) for one in await self._examples(taken)]
        if examples:
            read.made += await self._store.add(item.job_id, item.project_id, generation_id, examples)
        await self._marks.take_over(item.project_id, page)
        read.ended += len(ended)
        read.left_out += len(ended) - len(taken)

    async def _examples(self, items: Sequence[GenerationItem]) -> list[Example]:
        """The examples that questions and candidates make."""
        questions = [one for one in items if isinstance(one, question_pb2.Question)]
        candidates = [one for one in items if isinstance(one, candidate_pb2.Candidate)]
        passages = await self._passages({one.chunk_ids[0] for one in questions if needs_passage(one)})
        sources = await self._questions({one.question_id for one in candidates if one.question_id})
        return [
            *(
                example_from_question(one, passages.get(one.chunk_ids[0]) if needs_passage(one) else None)
                for one in questions
            ),
            *(example_from_candidate(one, sources.get(one.question_id)) for one in candidates),
        ]

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
                found[chunk_id] = passage_of(answer.chunk)

        await each_of(chunk_ids, read)
        return found

    async def _questions(self, question_ids: Iterable[str]) -> dict[str, question_pb2.Question]:
        """Questions that candidates were made from, by their ids; those that are gone are left out."""
        found: dict[str, question_pb2.Question] = {}

        async def read(question_id: str) -> None:
            request = question_service_pb2.GetQuestionRequest(id=question_id)
            try:
                found[question_id] = (await self._client.questions.GetQuestion(request)).question
            except ApiError as error:
                if error.code != "NOT_FOUND":
                    raise

        await each_of(question_ids, read)
        return found

    async def _counts(self, import_id: str, read: Read) -> ImportCounts:
        """What became of what was read, also by an earlier try of this import."""
        made = await self._store.made(import_id)
        known = read.ended - read.left_out - sum(made.values())
        return ImportCounts(
            rows=read.ended,
            kept=made["kept"],
            duplicates=made["duplicates"],
            rejected=made["rejected"],
            left_out=read.left_out,
            known=max(0, known),
        )


def stamped(example: Example, wanted: Import) -> Example:
    """An example with the import that it came with, and its labels."""
    lineage = replace(example.lineage, import_id=wanted.id)
    return replace(example, lineage=lineage, labels=sorted(set(wanted.options.labels)))
