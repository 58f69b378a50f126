"""What the rooms before this one know of a project: its documents, and the titles of its tags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from services.dataset.statistics.covering import Known, paths_of
from sishu.client import Client
from sishu.generation.v1.tag_service_pb2 import ListTagsRequest
from sishu.ingest.v1.chunk_service_pb2 import ListChunksRequest
from sishu.ingest.v1.document_service_pb2 import ListDocumentsRequest
from sishu.ingest.v1.section_service_pb2 import ListSectionsRequest

PAGE = 1000


class Project:
    """A project in the ingest and generation rooms."""

    def __init__(self, client: Client, project_id: str) -> None:
        self._client = client
        self._id = project_id

    async def documents(self) -> list[Known]:
        """Its documents with their chunks, excluded ones aside, and their sections.

        Raises:
            ApiError: the ingest room does not answer.
        """
        chunks: dict[str, list[str]] = {}
        async for chunk in pages(self._client.chunks.ListChunks, ListChunksRequest(**self._whole), "chunks"):
            chunks.setdefault(chunk.document_id, []).append(chunk.id)
        sections: dict[str, list[tuple[str, str, str]]] = {}
        listed = self._client.sections.ListSections
        async for one in pages(listed, ListSectionsRequest(**self._whole), "sections"):
            sections.setdefault(one.document_id, []).append((one.id, one.parent_id, one.title))
        request = ListDocumentsRequest(**self._whole)
        return [
            Known(one.id, one.name, chunks.get(one.id, []), paths_of(sections.get(one.id, [])))
            async for one in pages(self._client.documents.ListDocuments, request, "documents")
        ]

    async def tag_titles(self) -> dict[str, str]:
        """The titles of its tags by id.

        Raises:
            ApiError: the generation room does not answer.
        """
        listed = pages(self._client.tags.ListTags, ListTagsRequest(**self._whole), "tags")
        return {tag.id: tag.title async for tag in listed}

    @property
    def _whole(self) -> dict[str, Any]:
        return {"project_id": self._id, "page_size": PAGE}


async def pages(call: Callable[[Any], Awaitable[Any]], request: Any, field: str) -> AsyncIterator[Any]:
    """All that an rpc lists, page by page."""
    while True:
        page = await call(request)
        for each in getattr(page, field):
            yield each
        request.page_token = page.next_page_token
        if not request.page_token:
            return
