"""Imports over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.imports.convert import (
    fault_to_pb,
    generations_from_pb,
    import_to_pb,
    options_from_pb,
    preview_to_pb,
)
from services.dataset.imports.imports import (
    GenerationSource,
    ImportOptions,
    ImportUpload,
    check_name,
    check_of_generations,
    check_options,
    check_upload_of,
)
from services.dataset.imports.previews import previewed
from services.dataset.imports.rows import Fault, Imported
from services.dataset.imports.store import ImportStore
from services.dataset.imports.uploads import check_arrived
from services.dataset.tokenizers import Tokenizers
from services.runtime.convert import timestamp
from services.runtime.db import first_answer
from services.runtime.errors import InvalidArgument
from services.runtime.ids import new_id
from services.runtime.interceptors import Context
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.dataset.v1 import import_pb2
from sishu.dataset.v1 import import_service_pb2 as pb
from sishu.dataset.v1.import_service_pb2_grpc import ImportServiceServicer
from sishu.generation.v1 import generation_service_pb2
from sishu.ingest.v1 import project_service_pb2


class ImportServicer(ImportServiceServicer):
    """Imports of data files and of generations."""

    def __init__(self, store: ImportStore, storage: Storage, client: Client, tokenizers: Tokenizers) -> None:
        self._store = store
        self._storage = storage
        self._client = client
        self._tokenizers = tokenizers

    async def CreateImportUpload(
        self, request: pb.CreateImportUploadRequest, context: Context
    ) -> pb.CreateImportUploadResponse:
        upload_id = await first_answer(self._store.pool, "CreateImportUpload", request.request_id)
        if not upload_id:
            check_name(request.name)
            await self._client.projects.GetProject(
                project_service_pb2.GetProjectRequest(id=request.project_id)
            )
            new = ImportUpload(new_id(), request.project_id, request.name, request.size_bytes, request.sha256)
            upload_id = await self._store.create_upload(new, request.request_id)
        upload = await self._store.get_upload(upload_id)
        link = await self._storage.link_to_put(upload.key)
        target = object_pb2.UploadTarget(url=link.url, expire_time=timestamp(link.expire_time))
        return pb.CreateImportUploadResponse(upload_id=upload_id, target=target)

    async def PreviewImport(
        self, request: pb.PreviewImportRequest, context: Context
    ) -> pb.PreviewImportResponse:
        options = options_from_pb(request.options)
        check_options(options)
        upload = await self._store.get_upload(request.upload_id)
        found = await previewed(self._storage, upload, options, request.rows)
        return pb.PreviewImportResponse(
            examples=[preview_to_pb(one) for one in found.rows if isinstance(one, Imported)],
            faults=[fault_to_pb(one) for one in found.rows if isinstance(one, Fault)],
            unread_columns=found.unread_columns,
        )

    async def CreateImport(
        self, request: pb.CreateImportRequest, context: Context
    ) -> pb.CreateImportResponse:
        wanted = getattr(request, "import")
        import_id = await first_answer(self._store.pool, "CreateImport", request.request_id)
        if not import_id:
            options = options_from_pb(wanted.options)
            check_options(options)
            self._tokenizers.allowed(options.tokenizer, "import.options.tokenizer")
            source = await self._source(wanted, options)
            import_id = await self._store.create(wanted.project_id, source, options, request.request_id)
        return pb.CreateImportResponse(**{"import": import_to_pb(await self._store.get(import_id))})

    async def GetImport(self, request: pb.GetImportRequest, context: Context) -> pb.GetImportResponse:
        return pb.GetImportResponse(**{"import": import_to_pb(await self._store.get(request.id))})

    async def ListImports(self, request: pb.ListImportsRequest, context: Context) -> pb.ListImportsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListImportsResponse(imports=map(import_to_pb, page.rows), next_page_token=page.next_token)

    async def ListImportFaults(
        self, request: pb.ListImportFaultsRequest, context: Context
    ) -> pb.ListImportFaultsResponse:
        await self._store.get(request.import_id)
        wanted = page_request(request.page_size, request.page_token, request.import_id)
        page = await self._store.list_faults(wanted, request.import_id)
        return pb.ListImportFaultsResponse(
            import_faults=[fault_to_pb(fault) for _, fault in page.rows], next_page_token=page.next_token
        )

    async def _source(
        self, wanted: import_pb2.Import, options: ImportOptions
    ) -> ImportUpload | GenerationSource:
        """What is imported, where it is there and of the project."""
        if wanted.HasField("generations"):
            check_of_generations(options)
            source = generations_from_pb(wanted.generations)
            for generation_id in source.generation_ids:
                await self._check_generation(wanted.project_id, generation_id)
            return source
        upload = await self._store.get_upload(wanted.file.upload_id)
        check_upload_of(upload, wanted.project_id)
        await check_arrived(self._storage, upload)
        return upload

    async def _check_generation(self, project_id: str, generation_id: str) -> None:
        """Refuse a generation that is not there, or of another project."""
        request = generation_service_pb2.GetGenerationRequest(id=generation_id)
        generation = (await self._client.generations.GetGeneration(request)).generation
        if generation.project_id != project_id:
            raise InvalidArgument(
                "PROJECT_MISMATCH",
                f"generation {generation_id} belongs to project {generation.project_id}",
                "import.generations.generation_ids",
                generation_id=generation_id,
                project_id=generation.project_id,
            )
