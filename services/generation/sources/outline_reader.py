"""Read documents, and what stands for them in an outline, from the ingest room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from services.generation.sources.chunk_reader import ChunkReader
from services.generation.tags.tag_outlines import Entry, Titles, beginning, short
from services.runtime.at_once import each_of
from sishu.client import Client
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import GetDocumentRequest, ListDocumentsRequest
from sishu.ingest.v1.section_pb2 import Section
from sishu.ingest.v1.section_service_pb2 import ListSectionsRequest

PAGE = 50
"""Documents that one item looks at."""


class OutlineReader:
    """Reads documents by project, and their outlines."""

    def __init__(self, client: Client, chunks: ChunkReader) -> None:
        self._client = client
        self._chunks = chunks

    async def documents(
        self, project_id: str, document_ids: Sequence[str], token: str
    ) -> tuple[list[Document], str]:
        """A page of the documents with chunks of a project, or of some of them, and the token of the next.

        Raises:
            ApiError: the ingest room has no such document, or is away.
        """
        if document_ids:
            at = int(token or 0)
            found = await each_of(document_ids[at : at + PAGE], self.document)
            token = str(at + PAGE) if at + PAGE < len(document_ids) else ""
        else:
            request = ListDocumentsRequest(project_id=project_id, page_size=PAGE, page_token=token)
            page = await self._client.documents.ListDocuments(request)
            found, token = list(page.documents), page.next_page_token
        return [one for one in found if one.project_id == project_id and one.chunk_count], token

    async def document(self, document_id: str) -> Document:
        """One document.

        Raises:
            ApiError: the ingest room has none, or is away.
        """
        return (await self._client.documents.GetDocument(GetDocumentRequest(id=document_id))).document

    async def entries(self, document: Document) -> list[Entry]:
        """The outline of a document: its headings, or where it has none the beginnings of its chunks."""
        if not document.section_count:
            return await self._beginnings(document)
        paths: dict[str, Titles] = {}
        found: dict[Titles, Entry] = {}
        async for section in self._sections(document):
            path = paths[section.id] = (*paths.get(section.parent_id, ()), section.title)
            entry = Entry(0, document.id, document.name, path, None, short(section.title))
            found.setdefault(path, entry)
        return list(found.values())

    async def beginning(self, document: Document, chars: int) -> tuple[str, str]:
        """The first chunk's id, and about so many characters from the beginning of a document on.

        Both are empty where nothing of it is asked about.
        """
        texts: list[str] = []
        token, first = "", ""
        while sum(map(len, texts)) < chars:
            chunks, token = await self._chunks.page(document.project_id, [document.id], token)
            first = first or (chunks[0].id if chunks else "")
            texts += [chunk.text[chunk.overlap :] for chunk in chunks]
            if not token:
                break
        return first, "".join(texts)[:chars]

    async def _sections(self, document: Document) -> AsyncIterator[Section]:
        request = ListSectionsRequest(project_id=document.project_id, document_id=document.id, page_size=1000)
        while True:
            page = await self._client.sections.ListSections(request)
            for section in page.sections:
                yield section
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def _beginnings(self, document: Document) -> list[Entry]:
        found: list[Entry] = []
        token = ""
        while True:
            chunks, token = await self._chunks.page(document.project_id, [document.id], token)
            found += [
                Entry(0, document.id, document.name, (), chunk.id, beginning(chunk.text[chunk.overlap :]))
                for chunk in chunks
            ]
            if not token:
                return found
