"""The services of the ingest room: one thin method an rpc."""

from __future__ import annotations

from dataclasses import dataclass

from services.ingest.chunk_store import ChunkStore
from services.ingest.config import IngestConfig
from services.ingest.convert import (
    chunk_to_pb,
    clean_change_to_pb,
    document_image_to_pb,
    document_state,
    document_to_pb,
    parse_options,
    project_to_pb,
    section_to_pb,
)
from services.ingest.deletion import LaterRooms, delete_document, delete_project
from services.ingest.deletion_store import DeletionStore
from services.ingest.documents import Document, DocumentImage, DocumentVersion
from services.ingest.later_rooms import LaterRoomsByRpc
from services.ingest.object_notes import ObjectNotes
from services.ingest.objects import FreshObjects
from services.ingest.parse_store import ParseStore
from services.ingest.starting import fetch_documents, parse_documents
from services.ingest.store import Store
from services.ingest.token_counters import TokenCounters
from services.ingest.uploads import complete_upload, create_upload
from services.runtime.convert import job_to_pb, stored_object, timestamp
from services.runtime.db import Pool
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.masks import check_mask
from services.runtime.pages import PageRequest, page_request
from services.runtime.server import Servicer
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.ingest.v1 import chunk_service_pb2 as chunk_pb
from sishu.ingest.v1 import document_pb2 as document_noun_pb
from sishu.ingest.v1 import document_service_pb2 as document_pb
from sishu.ingest.v1 import project_service_pb2 as project_pb
from sishu.ingest.v1 import section_service_pb2 as section_pb
from sishu.ingest.v1.chunk_service_pb2_grpc import ChunkServiceServicer, add_ChunkServiceServicer_to_server
from sishu.ingest.v1.document_service_pb2_grpc import (
    DocumentServiceServicer,
    add_DocumentServiceServicer_to_server,
)
from sishu.ingest.v1.project_service_pb2_grpc import (
    ProjectServiceServicer,
    add_ProjectServiceServicer_to_server,
)
from sishu.ingest.v1.section_service_pb2_grpc import (
    SectionServiceServicer,
    add_SectionServiceServicer_to_server,
)


@dataclass(frozen=True)
class Stores:
    """What the room keeps in the database."""

    documents: Store
    parses: ParseStore
    deletions: DeletionStore
    chunks: ChunkStore
    notes: ObjectNotes

    @classmethod
    def of(cls, pool: Pool, jobs: Jobs, tokenizer_folder: str) -> Stores:
        """Those of a database."""
        return cls(
            Store(pool, jobs),
            ParseStore(pool),
            DeletionStore(pool, jobs),
            ChunkStore(pool, TokenCounters(tokenizer_folder)),
            ObjectNotes(pool),
        )


def servicers(
    stores: Stores, storage: Storage, jobs: Jobs, client: Client, config: IngestConfig
) -> list[Servicer]:
    """The services of the room."""
    documents = DocumentServicer(
        stores.documents,
        stores.parses,
        stores.deletions,
        storage,
        FreshObjects(stores.notes, storage),
        jobs,
        config.tokenizer_folder,
    )
    projects = ProjectServicer(stores.documents, stores.deletions, storage, LaterRoomsByRpc(client))
    chunks, sections = ChunkServicer(stores.chunks), SectionServicer(stores.chunks)
    package = "sishu.ingest.v1"
    return [
        Servicer(f"{package}.ProjectService", add_ProjectServiceServicer_to_server, projects),
        Servicer(f"{package}.DocumentService", add_DocumentServiceServicer_to_server, documents),
        Servicer(f"{package}.ChunkService", add_ChunkServiceServicer_to_server, chunks),
        Servicer(f"{package}.SectionService", add_SectionServiceServicer_to_server, sections),
    ]


class ProjectServicer(ProjectServiceServicer):
    """Projects."""

    def __init__(self, store: Store, deletions: DeletionStore, storage: Storage, later: LaterRooms) -> None:
        self._store = store
        self._deletions = deletions
        self._storage = storage
        self._later = later

    async def CreateProject(
        self, request: project_pb.CreateProjectRequest, context: Context
    ) -> project_pb.CreateProjectResponse:
        wanted = request.project
        project = await self._store.create_project(wanted.name, wanted.description, request.request_id)
        return project_pb.CreateProjectResponse(project=project_to_pb(project))

    async def GetProject(
        self, request: project_pb.GetProjectRequest, context: Context
    ) -> project_pb.GetProjectResponse:
        project = await self._store.get_project(request.id)
        return project_pb.GetProjectResponse(project=project_to_pb(project))

    async def ListProjects(
        self, request: project_pb.ListProjectsRequest, context: Context
    ) -> project_pb.ListProjectsResponse:
        wanted = page_request(request.page_size, request.page_token, request.name)
        page = await self._store.list_projects(wanted, request.name)
        return project_pb.ListProjectsResponse(
            projects=map(project_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateProject(
        self, request: project_pb.UpdateProjectRequest, context: Context
    ) -> project_pb.UpdateProjectResponse:
        paths = check_mask(request.update_mask, "name", "description")
        name = request.project.name if "name" in paths else None
        description = request.project.description if "description" in paths else None
        project = await self._store.update_project(request.project.id, name, description)
        return project_pb.UpdateProjectResponse(project=project_to_pb(project))

    async def DeleteProject(
        self, request: project_pb.DeleteProjectRequest, context: Context
    ) -> project_pb.DeleteProjectResponse:
        deleted = await delete_project(request.id, self._deletions, self._storage, self._later)
        return project_pb.DeleteProjectResponse(deleted_rows=deleted.rows, deleted_objects=deleted.objects)


class DocumentServicer(DocumentServiceServicer):
    """Documents."""

    def __init__(
        self,
        store: Store,
        parses: ParseStore,
        deletions: DeletionStore,
        storage: Storage,
        fresh_objects: FreshObjects,
        jobs: Jobs,
        tokenizer_folder: str,
    ) -> None:
        self._tokenizer_folder = tokenizer_folder
        self._store = store
        self._deletions = deletions
        self._parses = parses
        self._storage = storage
        self._fresh_objects = fresh_objects
        self._jobs = jobs

    async def CreateUpload(
        self, request: document_pb.CreateUploadRequest, context: Context
    ) -> document_pb.CreateUploadResponse:
        made = await create_upload(
            self._store,
            request.project_id,
            request.name,
            request.size_bytes,
            request.sha256,
            request.request_id,
        )
        if isinstance(made, Document):
            return document_pb.CreateUploadResponse(document=document_to_pb(made))
        link = await self._storage.link_to_put(made.file_key)
        target = object_pb2.UploadTarget(url=link.url, expire_time=timestamp(link.expire_time))
        return document_pb.CreateUploadResponse(upload_id=made.id, target=target)

    async def CompleteUpload(
        self, request: document_pb.CompleteUploadRequest, context: Context
    ) -> document_pb.CompleteUploadResponse:
        document = await complete_upload(self._store, self._storage, self._fresh_objects, request.upload_id)
        return document_pb.CompleteUploadResponse(document=document_to_pb(document))

    async def FetchDocuments(
        self, request: document_pb.FetchDocumentsRequest, context: Context
    ) -> document_pb.FetchDocumentsResponse:
        job_id = await fetch_documents(self._store, request.project_id, request.urls, request.request_id)
        return document_pb.FetchDocumentsResponse(job=job_to_pb(await self._jobs.get(job_id)))

    async def ParseDocuments(
        self, request: document_pb.ParseDocumentsRequest, context: Context
    ) -> document_pb.ParseDocumentsResponse:
        job_id = await parse_documents(
            self._store,
            request.project_id,
            request.document_ids,
            lambda: parse_options(request),
            self._tokenizer_folder,
            request.request_id,
        )
        return document_pb.ParseDocumentsResponse(job=job_to_pb(await self._jobs.get(job_id)))

    async def GetDocument(
        self, request: document_pb.GetDocumentRequest, context: Context
    ) -> document_pb.GetDocumentResponse:
        document = await self._store.get_document(request.id)
        return document_pb.GetDocumentResponse(document=document_to_pb(document))

    async def GetDocumentContent(
        self, request: document_pb.GetDocumentContentRequest, context: Context
    ) -> document_pb.GetDocumentContentResponse:
        document = await self._store.get_document(request.id)
        version = await self._store.get_version(document, request.version)
        return document_pb.GetDocumentContentResponse(
            file=await self._file(document.name, version), text=await self._text(document.name, version)
        )

    async def ListDocumentImages(
        self, request: document_pb.ListDocumentImagesRequest, context: Context
    ) -> document_pb.ListDocumentImagesResponse:
        document = await self._store.get_document(request.document_id)
        wanted = page_request(request.page_size, request.page_token, document.id, request.version)
        version = await self._store.get_version(document, version_of(wanted, request.version))
        page = await self._parses.list_document_images(wanted, document.id, version.version)
        return document_pb.ListDocumentImagesResponse(
            images=[await self._image(image) for image in page.rows], next_page_token=page.next_token
        )

    async def ListCleanChanges(
        self, request: document_pb.ListCleanChangesRequest, context: Context
    ) -> document_pb.ListCleanChangesResponse:
        document = await self._store.get_document(request.document_id)
        wanted = page_request(request.page_size, request.page_token, document.id, request.version)
        version = await self._store.get_version(document, version_of(wanted, request.version))
        page = await self._parses.list_clean_changes(wanted, document.id, version.version)
        return document_pb.ListCleanChangesResponse(
            clean_changes=map(clean_change_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListDocuments(
        self, request: document_pb.ListDocumentsRequest, context: Context
    ) -> document_pb.ListDocumentsResponse:
        held_by, fetched_by = request.parent_id or None, request.job_id or None
        state, name = document_state(request.state), request.name
        filters = (request.project_id, state, held_by, fetched_by, name)
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.list_documents(wanted, *filters)
        return document_pb.ListDocumentsResponse(
            documents=map(document_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteDocument(
        self, request: document_pb.DeleteDocumentRequest, context: Context
    ) -> document_pb.DeleteDocumentResponse:
        deleted = await delete_document(request.id, self._deletions, self._storage)
        return document_pb.DeleteDocumentResponse(
            deleted_documents=deleted.documents,
            deleted_chunks=deleted.chunks,
            deleted_objects=deleted.objects,
        )

    async def _image(self, image: DocumentImage) -> document_noun_pb.DocumentImage:
        link = await self._storage.link_to_get(image.file_key, image.name)
        return document_image_to_pb(image, link)

    async def _file(self, name: str, version: DocumentVersion) -> object_pb2.StoredObject:
        link = await self._storage.link_to_get(version.file_key, name.rsplit("/", 1)[-1])
        return stored_object(name, version.file_key, version.size_bytes, version.sha256, link)

    async def _text(self, name: str, version: DocumentVersion) -> object_pb2.StoredObject | None:
        if not version.text_key:
            return None
        link = await self._storage.link_to_get(version.text_key)
        return stored_object(f"{name}.md", version.text_key, version.text_bytes, version.text_sha256, link)


def version_of(page: PageRequest, version: int) -> int:
    """The version that a page shows: that of the page before, which its token names, or the one asked for."""
    return int(page.after[0]) if page.after else version


class ChunkServicer(ChunkServiceServicer):
    """Chunks."""

    def __init__(self, store: ChunkStore) -> None:
        self._store = store

    async def GetChunk(
        self, request: chunk_pb.GetChunkRequest, context: Context
    ) -> chunk_pb.GetChunkResponse:
        return chunk_pb.GetChunkResponse(chunk=chunk_to_pb(await self._store.get_chunk(request.id)))

    async def ListChunks(
        self, request: chunk_pb.ListChunksRequest, context: Context
    ) -> chunk_pb.ListChunksResponse:
        filters = (request.project_id, request.document_id or None, request.show_excluded)
        page = await self._store.list_chunks(
            page_request(request.page_size, request.page_token, *filters), *filters
        )
        return chunk_pb.ListChunksResponse(
            chunks=map(chunk_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateChunk(
        self, request: chunk_pb.UpdateChunkRequest, context: Context
    ) -> chunk_pb.UpdateChunkResponse:
        check_mask(request.update_mask, "excluded")
        chunk = await self._store.set_excluded(request.chunk.id, request.chunk.excluded)
        return chunk_pb.UpdateChunkResponse(chunk=chunk_to_pb(chunk))

    async def EditChunk(
        self, request: chunk_pb.EditChunkRequest, context: Context
    ) -> chunk_pb.EditChunkResponse:
        chunk = await self._store.edit_chunk(request.id, request.text)
        return chunk_pb.EditChunkResponse(chunk=chunk_to_pb(chunk))

    async def MergeChunks(
        self, request: chunk_pb.MergeChunksRequest, context: Context
    ) -> chunk_pb.MergeChunksResponse:
        chunk = await self._store.merge_chunks(request.ids)
        return chunk_pb.MergeChunksResponse(chunk=chunk_to_pb(chunk))

    async def SplitChunk(
        self, request: chunk_pb.SplitChunkRequest, context: Context
    ) -> chunk_pb.SplitChunkResponse:
        chunks = await self._store.split_chunk(request.id, request.cut_points)
        return chunk_pb.SplitChunkResponse(chunks=map(chunk_to_pb, chunks))


class SectionServicer(SectionServiceServicer):
    """Sections."""

    def __init__(self, store: ChunkStore) -> None:
        self._store = store

    async def ListSections(
        self, request: section_pb.ListSectionsRequest, context: Context
    ) -> section_pb.ListSectionsResponse:
        filters = (request.project_id, request.document_id or None)
        page = await self._store.list_sections(
            page_request(request.page_size, request.page_token, *filters), *filters
        )
        return section_pb.ListSectionsResponse(
            sections=map(section_to_pb, page.rows), next_page_token=page.next_token
        )
