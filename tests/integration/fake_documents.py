"""The documents of an ingest room, and the tags of a generation room, for tests of rooms that ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.runtime.ids import derived_id, new_id
from services.runtime.interceptors import Context
from services.runtime.server import Servicer
from sishu.generation.v1 import tag_pb2, tag_service_pb2, tag_service_pb2_grpc
from sishu.ingest.v1 import (
    chunk_pb2,
    chunk_service_pb2,
    chunk_service_pb2_grpc,
    document_pb2,
    document_service_pb2,
    document_service_pb2_grpc,
    section_pb2,
    section_service_pb2,
    section_service_pb2_grpc,
)


@dataclass
class FakeDocuments(
    document_service_pb2_grpc.DocumentServiceServicer,
    chunk_service_pb2_grpc.ChunkServiceServicer,
    section_service_pb2_grpc.SectionServiceServicer,
):
    """Documents by their projects, each with some chunks and a section; a page holds one of each."""

    documents: dict[str, list[document_pb2.Document]] = field(default_factory=dict)

    def add(self, project_id: str, name: str, chunks: int) -> str:
        """Add a document; its chunks have ids derived from its own and their place."""
        made = document_pb2.Document(id=new_id(), project_id=project_id, name=name, chunk_count=chunks)
        self.documents.setdefault(project_id, []).append(made)
        return made.id

    async def ListDocuments(  # the name in the proto
        self, request: document_service_pb2.ListDocumentsRequest, _context: Context
    ) -> document_service_pb2.ListDocumentsResponse:
        name, place = request.name, int(request.page_token or 0)
        found = [
            one
            for one in self.documents.get(request.project_id, [])
            if not name or one.name == name or one.name.endswith(f"/{name}")
        ]
        more = str(place + 1) if place + 1 < len(found) else ""
        shown = found[place : place + 1]
        return document_service_pb2.ListDocumentsResponse(documents=shown, next_page_token=more)

    async def ListChunks(  # the name in the proto
        self, request: chunk_service_pb2.ListChunksRequest, _context: Context
    ) -> chunk_service_pb2.ListChunksResponse:
        found = [
            chunk_pb2.Chunk(id=derived_id(one.id, str(place)), document_id=one.id)
            for one in self.documents.get(request.project_id, [])
            for place in range(one.chunk_count)
        ]
        place = int(request.page_token or 0)
        more = str(place + 1) if place + 1 < len(found) else ""
        return chunk_service_pb2.ListChunksResponse(chunks=found[place : place + 1], next_page_token=more)

    async def ListSections(  # the name in the proto
        self, request: section_service_pb2.ListSectionsRequest, _context: Context
    ) -> section_service_pb2.ListSectionsResponse:
        found = [
            section_pb2.Section(id=derived_id(one.id), document_id=one.id, title="Herons")
            for one in self.documents.get(request.project_id, [])
        ]
        return section_service_pb2.ListSectionsResponse(sections=found)


@dataclass
class FakeTags(tag_service_pb2_grpc.TagServiceServicer):
    """Tags by their projects, each before those under it; at first none."""

    tags: dict[str, list[tag_pb2.Tag]] = field(default_factory=dict)

    def add(self, project_id: str, *titles: str) -> str:
        """Add a tag below the one that was added last, and so on; the id of the last."""
        made = ""
        for title in titles:
            tag = tag_pb2.Tag(id=new_id(), project_id=project_id, parent_id=made, title=title)
            self.tags.setdefault(project_id, []).append(tag)
            made = tag.id
        return made

    async def ListTags(  # the name in the proto
        self, request: tag_service_pb2.ListTagsRequest, _context: Context
    ) -> tag_service_pb2.ListTagsResponse:
        return tag_service_pb2.ListTagsResponse(tags=self.tags.get(request.project_id, []))


def document_servicers(documents: FakeDocuments) -> list[Servicer]:
    """What the ingest room serves of documents."""
    package = "sishu.ingest.v1"
    return [
        Servicer(
            f"{package}.DocumentService",
            document_service_pb2_grpc.add_DocumentServiceServicer_to_server,
            documents,
        ),
        Servicer(
            f"{package}.ChunkService", chunk_service_pb2_grpc.add_ChunkServiceServicer_to_server, documents
        ),
        Servicer(
            f"{package}.SectionService",
            section_service_pb2_grpc.add_SectionServiceServicer_to_server,
            documents,
        ),
    ]
