"""Exports over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.exports.convert import bare_name, export_to_pb, link_to_pb, options_from_pb
from services.dataset.exports.plan import check_options
from services.dataset.exports.store import ExportStore
from services.dataset.versions.store import VersionStore
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.dataset.v1 import export_service_pb2 as pb
from sishu.dataset.v1.export_service_pb2_grpc import ExportServiceServicer


class ExportServicer(ExportServiceServicer):
    """Exports."""

    def __init__(self, store: ExportStore, versions: VersionStore, storage: Storage, jobs: Jobs) -> None:
        self._store = store
        self._versions = versions
        self._storage = storage
        self._jobs = jobs

    async def CreateExport(
        self, request: pb.CreateExportRequest, context: Context
    ) -> pb.CreateExportResponse:
        export_id = await first_answer(self._store.pool, "CreateExport", request.request_id)
        if not export_id:
            options = options_from_pb(request.export.options)
            check_options(options)
            version = await self._versions.get(request.export.dataset_version_id)
            version.check_ready()
            export_id = await self._store.create(version, options, request.request_id)
        export = await self._store.get(export_id)
        return pb.CreateExportResponse(export=export_to_pb(export))

    async def GetExport(self, request: pb.GetExportRequest, context: Context) -> pb.GetExportResponse:
        return pb.GetExportResponse(export=export_to_pb(await self._store.get(request.id)))

    async def ListExports(self, request: pb.ListExportsRequest, context: Context) -> pb.ListExportsResponse:
        version_id = request.dataset_version_id
        wanted = page_request(request.page_size, request.page_token, request.project_id, version_id)
        page = await self._store.list_page(wanted, request.project_id, version_id)
        return pb.ListExportsResponse(exports=map(export_to_pb, page.rows), next_page_token=page.next_token)

    async def GetExportFiles(
        self, request: pb.GetExportFilesRequest, context: Context
    ) -> pb.GetExportFilesResponse:
        export = await self._store.get(request.id)
        export.check_ready()
        return pb.GetExportFilesResponse(
            files=[
                link_to_pb(file, await self._storage.link_to_get(file.key, bare_name(file)))
                for file in export.files
            ]
        )

    async def DeleteExport(
        self, request: pb.DeleteExportRequest, context: Context
    ) -> pb.DeleteExportResponse:
        export = await self._store.get(request.id)
        version = await self._versions.get(export.dataset_version_id)
        await self._jobs.cancel(export.job.id)
        # The row goes last, so that a call that failed in the middle can be repeated.
        deleted = await self._storage.delete_prefix(export.prefix(version.prefix))
        await self._store.delete(export.id, export.job.id)
        return pb.DeleteExportResponse(deleted_objects=deleted)
