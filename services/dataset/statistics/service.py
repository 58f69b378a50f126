"""Statistics of dataset versions over their rpcs: one thin method each."""

from __future__ import annotations

import asyncio

from services.dataset.statistics.convert import options_from_pb, statistics_to_pb
from services.dataset.statistics.making import with_figures
from services.dataset.statistics.page import page
from services.dataset.statistics.statistics import DatasetStatistics
from services.dataset.statistics.store import StatisticsStore
from services.dataset.tokenizers import Tokenizers
from services.dataset.versions.store import VersionStore
from services.dataset.versions.versions import DatasetVersion
from services.runtime.interceptors import Context
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.dataset.v1 import statistics_service_pb2 as pb
from sishu.dataset.v1.statistics_service_pb2_grpc import StatisticsServiceServicer
from sishu.ingest.v1.project_service_pb2 import GetProjectRequest

Wanted = pb.GetDatasetVersionStatisticsRequest | pb.GetDatasetVersionReportRequest


class StatisticsServicer(StatisticsServiceServicer):
    """Statistics of dataset versions."""

    def __init__(
        self,
        store: StatisticsStore,
        versions: VersionStore,
        storage: Storage,
        client: Client,
        tokenizers: Tokenizers,
    ) -> None:
        self._store = store
        self._versions = versions
        self._storage = storage
        self._client = client
        self._tokenizers = tokenizers

    async def ComputeDatasetVersionStatistics(
        self, request: pb.ComputeDatasetVersionStatisticsRequest, context: Context
    ) -> pb.ComputeDatasetVersionStatisticsResponse:
        self._tokenizers.allowed(request.options.tokenizer)
        version = await self._versions.get(request.dataset_version_id)
        version.check_ready()
        found = await self._store.create(version, options_from_pb(request.options, version))
        found = await with_figures(found, self._storage)
        return pb.ComputeDatasetVersionStatisticsResponse(dataset_statistics=statistics_to_pb(found))

    async def GetDatasetVersionStatistics(
        self, request: pb.GetDatasetVersionStatisticsRequest, context: Context
    ) -> pb.GetDatasetVersionStatisticsResponse:
        _, found = await self._found(request)
        return pb.GetDatasetVersionStatisticsResponse(dataset_statistics=statistics_to_pb(found))

    async def GetDatasetVersionReport(
        self, request: pb.GetDatasetVersionReportRequest, context: Context
    ) -> pb.GetDatasetVersionReportResponse:
        version, found = await self._found(request)
        found.check_ready()
        asked = GetProjectRequest(id=version.project_id)
        project = (await self._client.projects.GetProject(asked)).project
        html = await asyncio.to_thread(page, project.name, version, found, request.language or "en")
        return pb.GetDatasetVersionReportResponse(html=html)

    async def _found(self, request: Wanted) -> tuple[DatasetVersion, DatasetStatistics]:
        version = await self._versions.get(request.dataset_version_id)
        options = options_from_pb(request.options, version) if request.HasField("options") else None
        found = await self._store.of_version(version, options)
        return version, await with_figures(found, self._storage)
