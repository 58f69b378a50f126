"""Leak checks over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.embedding import TextEmbedder
from services.dataset.leak_checks.convert import check_to_pb, leak_to_pb, wishes_from_pb
from services.dataset.leak_checks.leak_checks import LeakWishes
from services.dataset.leak_checks.listing import list_leaks
from services.dataset.leak_checks.store import LeakCheckStore
from services.dataset.versions.store import VersionStore
from services.runtime.db import first_answer
from services.runtime.errors import InvalidArgument
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.dataset.v1 import leak_check_service_pb2 as pb
from sishu.dataset.v1.leak_check_service_pb2_grpc import LeakCheckServiceServicer
from sishu.ingest.v1 import project_service_pb2


class LeakCheckServicer(LeakCheckServiceServicer):
    """Leak checks."""

    def __init__(
        self,
        store: LeakCheckStore,
        benchmarks: Benchmarks,
        versions: VersionStore,
        storage: Storage,
        jobs: Jobs,
        client: Client,
    ) -> None:
        self._store = store
        self._benchmarks = benchmarks
        self._versions = versions
        self._storage = storage
        self._jobs = jobs
        self._client = client

    async def CreateLeakCheck(
        self, request: pb.CreateLeakCheckRequest, context: Context
    ) -> pb.CreateLeakCheckResponse:
        found = await first_answer(self._store.pool, "CreateLeakCheck", request.request_id)
        if not found:
            project_id, wanted = request.leak_check.project_id, wishes_from_pb(request.leak_check)
            wanted.check()
            project = project_service_pb2.GetProjectRequest(id=project_id)
            await self._client.projects.GetProject(project)
            await self._benchmarks.check_ready(project_id, wanted.benchmark_ids, "leak_check.benchmark_ids")
            await self._check_version(project_id, wanted)
            if provider := wanted.options.embedding_provider_id:
                field = "leak_check.options.embedding_provider_id"
                await TextEmbedder(self._client, provider).check(project_id, field)
            found = await self._store.create(project_id, wanted, request.request_id)
        return pb.CreateLeakCheckResponse(leak_check=check_to_pb(await self._store.get(found)))

    async def GetLeakCheck(
        self, request: pb.GetLeakCheckRequest, context: Context
    ) -> pb.GetLeakCheckResponse:
        return pb.GetLeakCheckResponse(leak_check=check_to_pb(await self._store.get(request.id)))

    async def ListLeakChecks(
        self, request: pb.ListLeakChecksRequest, context: Context
    ) -> pb.ListLeakChecksResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListLeakChecksResponse(
            leak_checks=map(check_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListLeaks(self, request: pb.ListLeaksRequest, context: Context) -> pb.ListLeaksResponse:
        check = await self._store.get(request.leak_check_id)
        wanted = page_request(request.page_size, request.page_token, check.id)
        page = await list_leaks(self._storage, wanted, check)
        return pb.ListLeaksResponse(leaks=map(leak_to_pb, page.rows), next_page_token=page.next_token)

    async def DeleteLeakCheck(
        self, request: pb.DeleteLeakCheckRequest, context: Context
    ) -> pb.DeleteLeakCheckResponse:
        check = await self._store.get(request.id)
        await self._jobs.cancel(check.job.id)
        # The row goes last, so that a call that failed in the middle can be repeated.
        await self._storage.delete_prefix(check.prefix)
        await self._store.delete(check)
        return pb.DeleteLeakCheckResponse()

    async def _check_version(self, project_id: str, wanted: LeakWishes) -> None:
        if wanted.version_id:
            version = await self._versions.get(wanted.version_id)
            if version.project_id != project_id:
                raise InvalidArgument(
                    "PROJECT_MISMATCH",
                    f"dataset version {version.id} belongs to project {version.project_id}",
                    "leak_check.dataset_version_id",
                    dataset_version_id=version.id,
                    project_id=version.project_id,
                )
            version.check_ready()
