"""Deduplications over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.deduplications.convert import (
    cluster_to_pb,
    deduplication_to_pb,
    duplicate_to_pb,
    options_from_pb,
)
from services.dataset.deduplications.deduplications import Deduplication
from services.dataset.deduplications.store import DeduplicationStore
from services.dataset.embedding import TextEmbedder
from services.dataset.examples.filter_convert import filter_from_pb
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from sishu.client import Client
from sishu.dataset.v1 import deduplication_service_pb2 as pb
from sishu.dataset.v1.deduplication_service_pb2_grpc import DeduplicationServiceServicer
from sishu.ingest.v1 import project_service_pb2


class DeduplicationServicer(DeduplicationServiceServicer):
    """Deduplications."""

    def __init__(self, store: DeduplicationStore, jobs: Jobs, client: Client) -> None:
        self._store = store
        self._jobs = jobs
        self._client = client

    async def CreateDeduplication(
        self, request: pb.CreateDeduplicationRequest, context: Context
    ) -> pb.CreateDeduplicationResponse:
        wanted = request.deduplication
        found = await first_answer(self._store.pool, "CreateDeduplication", request.request_id)
        if not found:
            project = project_service_pb2.GetProjectRequest(id=wanted.project_id)
            await self._client.projects.GetProject(project)
            options = options_from_pb(wanted.options)
            examples = filter_from_pb(wanted.filter)
            if options.embedding_provider_id:
                embedder = TextEmbedder(self._client, options.embedding_provider_id)
                await embedder.check(wanted.project_id, "deduplication.options.embedding_provider_id")
            found = await self._store.create(wanted.project_id, examples, options, request.request_id)
        return pb.CreateDeduplicationResponse(deduplication=deduplication_to_pb(await self._store.get(found)))

    async def GetDeduplication(
        self, request: pb.GetDeduplicationRequest, context: Context
    ) -> pb.GetDeduplicationResponse:
        return pb.GetDeduplicationResponse(
            deduplication=deduplication_to_pb(await self._store.get(request.id))
        )

    async def ListDeduplications(
        self, request: pb.ListDeduplicationsRequest, context: Context
    ) -> pb.ListDeduplicationsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_page(wanted, request.project_id)
        return pb.ListDeduplicationsResponse(
            deduplications=map(deduplication_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListDuplicateClusters(
        self, request: pb.ListDuplicateClustersRequest, context: Context
    ) -> pb.ListDuplicateClustersResponse:
        search = await self._ready(request.deduplication_id)
        wanted = page_request(request.page_size, request.page_token, search.id)
        page = await self._store.clusters(wanted, search.id)
        return pb.ListDuplicateClustersResponse(
            duplicate_clusters=map(cluster_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListDuplicates(
        self, request: pb.ListDuplicatesRequest, context: Context
    ) -> pb.ListDuplicatesResponse:
        search = await self._ready(request.deduplication_id)
        wanted = page_request(request.page_size, request.page_token, search.id, request.cluster_number)
        page = await self._store.duplicates(wanted, search.id, request.cluster_number)
        return pb.ListDuplicatesResponse(
            duplicates=map(duplicate_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ApplyDeduplication(
        self, request: pb.ApplyDeduplicationRequest, context: Context
    ) -> pb.ApplyDeduplicationResponse:
        search = await self._ready(request.id)
        await self._store.start_applying(search.id, request.author)
        return pb.ApplyDeduplicationResponse(
            deduplication=deduplication_to_pb(await self._store.get(search.id))
        )

    async def DeleteDeduplication(
        self, request: pb.DeleteDeduplicationRequest, context: Context
    ) -> pb.DeleteDeduplicationResponse:
        search = await self._store.get(request.id)
        for job_id in search.job_ids:
            await self._jobs.cancel(job_id)
        await self._store.delete(search)
        return pb.DeleteDeduplicationResponse()

    async def _ready(self, deduplication_id: str) -> Deduplication:
        search = await self._store.get(deduplication_id)
        search.check_ready()
        return search
