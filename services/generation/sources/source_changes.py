"""What became of documents since something was written about them: chunks that are new, and that are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import chain

import structlog

from services.generation.generations.generations import Generation
from services.generation.generations.kinds import CANDIDATES_OF
from services.generation.sources.chunk_reader import SourceChunk
from services.generation.sources.source_change_store import Marks, SourceChangeStore, Standing
from services.runtime.at_once import each_of
from services.runtime.faults import as_sishu_error
from services.runtime.ids import new_id
from sishu.client import Client
from sishu.errors import ApiError
from sishu.ingest.v1 import chunk_service_pb2, document_pb2, document_service_pb2

PAGE = 1000
LOOKS = 3
"""How often a document is looked at that changes meanwhile, before nothing is told of it."""

Tell = Callable[[str], Awaitable[None]]
"""Is told in a few words what goes on."""

log = structlog.get_logger()


async def untold(words: str) -> None:
    """Nobody wants to know."""


class SourceChanges:
    """Compares what the generation room has with the documents as they are."""

    def __init__(self, client: Client, store: SourceChangeStore) -> None:
        self._client = client
        self._store = store

    async def wanted(
        self, generation: Generation, chunks: Sequence[SourceChunk], kind: str = ""
    ) -> list[SourceChunk]:
        """Those of a page of chunks that a generation writes about: where it wants new ones only, these.

        Args:
            generation: the generation.
            chunks: the page.
            kind: what of it is written, `questions` or `templates`; nothing where it is all of one kind.
        """
        if not generation.options.new_chunks_only or not chunks:
            return list(chunks)
        kind = kind or CANDIDATES_OF.get(generation.options.kind, generation.options.kind)
        written = await self._store.written(generation.project_id, kind, [chunk.id for chunk in chunks])
        return [chunk for chunk in chunks if chunk.id not in written]

    async def mark_after(self, generation: Generation) -> None:
        """Mark what older generations wrote, where a generation has planned all chunks of documents.

        What cannot be marked now is marked by the next one, or by `MarkSources`: no plan fails for it.
        """
        try:
            if await self._store.has_older(generation.project_id, generation.id):
                await self.mark(generation.project_id, generation.options.document_ids)
        except Exception as error:  # the rooms and the database may be away
            log.warning("sources_not_marked", error=as_sishu_error(error).message)

    async def mark(
        self,
        project_id: str,
        document_ids: Sequence[str] = (),
        job_id: str | None = None,
        tell: Tell = untold,
    ) -> Marks:
        """Mark what is written about chunks that are gone, and what is about chunks that are back no more.

        Each look has rows of its own, so that any number may go on at once.

        Args:
            project_id: the project.
            document_ids: only what is about these documents alone; empty means all.
            job_id: the job that does so, if it is one of its own; it counts what is marked.
            tell: is told how far it is.

        Raises:
            ApiError: the ingest room is away.
        """
        look_id, documents = new_id(), sorted({one.lower() for one in document_ids})
        read, marks = 0, Marks()

        async def note(document_id: str) -> None:
            nonlocal read
            async for chunks in self._chunks(project_id, document_id):
                await self._store.note_chunks(look_id, chunks)
                read += len(chunks)
                await tell(f"{read} chunks read")

        try:
            async for found in self._documents(project_id, documents):
                await self._store.note_documents(look_id, found)
            await each_of(documents or [""], note)
            async for found in self._documents(project_id, documents):
                for document_id in await self._store.changed(look_id, found):
                    await self._look_again(look_id, project_id, document_id)
            async for page in self._store.mark(look_id, project_id, documents, job_id):
                marks += page
                await tell(
                    f"{marks.looked_at} looked at, {marks.marked} newly marked, {marks.unmarked} no longer"
                )
            return marks
        finally:
            await self._store.forget(look_id)

    async def _look_again(self, look_id: str, project_id: str, document_id: str) -> None:
        """Look at a document that changed since the look began; of one that does so on nothing is told."""
        for _ in range(LOOKS - 1):
            await self._store.forget_document(look_id, document_id)
            found = await self._document(document_id)
            await self._store.note_documents(look_id, found)
            if not found or found[0].stamp is None:
                return
            async for chunks in self._chunks(project_id, document_id):
                await self._store.note_chunks(look_id, chunks)
            now = await self._document(document_id)
            if now and not await self._store.changed(look_id, now):
                return
        await self._store.note_documents(look_id, [Standing(document_id)])

    async def _chunks(self, project_id: str, document_id: str) -> AsyncIterator[list[tuple[str, str]]]:
        """The chunks that are there, of a document or all, page by page: ids, and those of documents."""
        request = chunk_service_pb2.ListChunksRequest(
            project_id=project_id, document_id=document_id, page_size=PAGE, show_excluded=True
        )
        while True:
            page = await self._client.chunks.ListChunks(request)
            yield [(chunk.id, chunk.document_id) for chunk in page.chunks]
            request.page_token = page.next_page_token
            if not request.page_token:
                break

    async def _documents(self, project_id: str, document_ids: Sequence[str]) -> AsyncIterator[list[Standing]]:
        """How documents stand that are there, page by page."""
        for at in range(0, len(document_ids), PAGE):
            found = await each_of(document_ids[at : at + PAGE], self._document)
            yield list(chain.from_iterable(found))
        request = document_service_pb2.ListDocumentsRequest(project_id=project_id, page_size=PAGE)
        while not document_ids:
            page = await self._client.documents.ListDocuments(request)
            yield [standing(one) for one in page.documents]
            request.page_token = page.next_page_token
            if not request.page_token:
                break

    async def _document(self, document_id: str) -> list[Standing]:
        """How a document stands; nothing where it is deleted."""
        request = document_service_pb2.GetDocumentRequest(id=document_id)
        try:
            return [standing((await self._client.documents.GetDocument(request)).document)]
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            return []


def standing(document: document_pb2.Document) -> Standing:
    """How a document stands: its time changes with its chunks, also inside of a version."""
    if document.state != document_pb2.DOCUMENT_STATE_PARSED:
        return Standing(document.id)
    stamp = f"{document.version} {document.update_time.ToJsonString()}"
    return Standing(document.id, stamp, document.chunk_count)
