"""Dataset versions over their rpcs: one thin method each."""

from __future__ import annotations

from services.dataset.benchmarks.guards import Benchmarks
from services.dataset.changes.convert import change_to_pb as example_change_to_pb
from services.dataset.changes.store import ChangeStore
from services.dataset.diffs.convert import change_name, change_to_pb, diff_to_pb
from services.dataset.diffs.listing import list_changes
from services.dataset.diffs.store import DiffStore
from services.dataset.embedding import TextEmbedder
from services.dataset.exports.store import ExportStore
from services.dataset.restores.store import RestoreStore
from services.dataset.statistics.store import StatisticsStore
from services.dataset.version_tags.store import VersionTagStore
from services.dataset.version_tags.version_tags import check_tag, check_untagged
from services.dataset.versions.convert import member_to_pb, split_name, version_to_pb
from services.dataset.versions.later_rooms import LaterRoomsByRpc
from services.dataset.versions.members import list_members
from services.dataset.versions.options import DatasetOptions
from services.dataset.versions.options_convert import FIELD, options_from_pb
from services.dataset.versions.store import VersionStore
from services.runtime.db import first_answer
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.dataset.v1 import dataset_service_pb2 as pb
from sishu.dataset.v1.dataset_service_pb2_grpc import DatasetServiceServicer


class DatasetServicer(DatasetServiceServicer):
    """Dataset versions."""

    def __init__(
        self,
        store: VersionStore,
        exports: ExportStore,
        diffs: DiffStore,
        storage: Storage,
        jobs: Jobs,
        client: Client,
        benchmarks: Benchmarks,
    ) -> None:
        self._benchmarks = benchmarks
        self._client = client
        self._later = LaterRoomsByRpc(client)
        self._store = store
        self._exports = exports
        self._diffs = diffs
        self._storage = storage
        self._jobs = jobs
        self._tags = VersionTagStore(store.pool)
        self._restores = RestoreStore(store.pool, jobs)
        self._changes = ChangeStore(store.pool, jobs)
        self._statistics = StatisticsStore(store.pool, jobs)

    async def CreateDatasetVersion(
        self, request: pb.CreateDatasetVersionRequest, context: Context
    ) -> pb.CreateDatasetVersionResponse:
        version_id = await first_answer(self._store.pool, "CreateDatasetVersion", request.request_id)
        if not version_id:
            options = options_from_pb(request.dataset_version.options)
            project_id, field = request.dataset_version.project_id, f"{FIELD}.benchmark_ids"
            await self._benchmarks.check_ready(project_id, options.benchmark_ids, field)
            await self._check_others(project_id, options)
            version_id = await self._store.create(project_id, options, request.request_id)
        version = await self._store.get(version_id)
        return pb.CreateDatasetVersionResponse(dataset_version=version_to_pb(version))

    async def _check_others(self, project_id: str, options: DatasetOptions) -> None:
        """Demand that the version with general data is ready, and that who embeds texts can."""
        if options.replay and options.replay.dataset_version_id:
            (await self._store.get(options.replay.dataset_version_id)).check_ready()
        if provider := options.leak_embedding_provider_id:
            embedder = TextEmbedder(self._client, provider)
            await embedder.check(project_id, f"{FIELD}.leak_embedding_provider_id")

    async def GetDatasetVersion(
        self, request: pb.GetDatasetVersionRequest, context: Context
    ) -> pb.GetDatasetVersionResponse:
        version = await self._store.get(request.id)
        return pb.GetDatasetVersionResponse(dataset_version=version_to_pb(version))

    async def ListDatasetVersions(
        self, request: pb.ListDatasetVersionsRequest, context: Context
    ) -> pb.ListDatasetVersionsResponse:
        chosen = (request.project_id, request.number, request.tag)
        wanted = page_request(request.page_size, request.page_token, *chosen)
        page = await self._store.list_page(wanted, *chosen)
        return pb.ListDatasetVersionsResponse(
            dataset_versions=map(version_to_pb, page.rows), next_page_token=page.next_token
        )

    async def SetDatasetVersionTag(
        self, request: pb.SetDatasetVersionTagRequest, context: Context
    ) -> pb.SetDatasetVersionTagResponse:
        check_tag(request.tag)
        version = await self._store.get(request.dataset_version_id)
        version.check_ready()
        before = await self._tags.set(version, request.tag)
        tagged = version_to_pb(await self._store.get(version.id))
        return pb.SetDatasetVersionTagResponse(dataset_version=tagged, previous_version_id=before)

    async def DeleteDatasetVersionTag(
        self, request: pb.DeleteDatasetVersionTagRequest, context: Context
    ) -> pb.DeleteDatasetVersionTagResponse:
        version = await self._store.get(request.dataset_version_id)
        await self._tags.delete(version.id, request.tag)
        rest = version_to_pb(await self._store.get(version.id))
        return pb.DeleteDatasetVersionTagResponse(dataset_version=rest)

    async def RestoreDatasetVersion(
        self, request: pb.RestoreDatasetVersionRequest, context: Context
    ) -> pb.RestoreDatasetVersionResponse:
        change_id = await first_answer(self._store.pool, "RestoreDatasetVersion", request.request_id)
        if not change_id:
            version = await self._store.get(request.dataset_version_id)
            version.check_ready()
            change_id = await self._restores.create(
                version, request.delete_added, request.author, request.request_id
            )
        change = await self._changes.get(change_id)
        return pb.RestoreDatasetVersionResponse(example_change=example_change_to_pb(change))

    async def ListDatasetVersionExamples(
        self, request: pb.ListDatasetVersionExamplesRequest, context: Context
    ) -> pb.ListDatasetVersionExamplesResponse:
        version = await self._store.get(request.dataset_version_id)
        version.check_ready()
        split = split_name(request.split)
        wanted = page_request(request.page_size, request.page_token, version.id, split)
        page = await list_members(self._storage, wanted, version, split)
        return pb.ListDatasetVersionExamplesResponse(
            dataset_version_examples=map(member_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DiffDatasetVersions(
        self, request: pb.DiffDatasetVersionsRequest, context: Context
    ) -> pb.DiffDatasetVersionsResponse:
        diff_id = await first_answer(self._store.pool, "DiffDatasetVersions", request.request_id)
        if not diff_id:
            base = await self._store.get(request.base_version_id)
            version = await self._store.get(request.dataset_version_id)
            base.check_ready()
            version.check_ready()
            diff_id = await self._diffs.create(base, version, request.request_id)
        return pb.DiffDatasetVersionsResponse(dataset_diff=diff_to_pb(await self._diffs.get(diff_id)))

    async def GetDatasetDiff(
        self, request: pb.GetDatasetDiffRequest, context: Context
    ) -> pb.GetDatasetDiffResponse:
        return pb.GetDatasetDiffResponse(dataset_diff=diff_to_pb(await self._diffs.get(request.id)))

    async def ListDatasetChanges(
        self, request: pb.ListDatasetChangesRequest, context: Context
    ) -> pb.ListDatasetChangesResponse:
        diff = await self._diffs.get(request.dataset_diff_id)
        change = change_name(request.kind)
        wanted = page_request(request.page_size, request.page_token, diff.id, change)
        page = await list_changes(self._storage, wanted, diff, change)
        return pb.ListDatasetChangesResponse(
            dataset_changes=map(change_to_pb, page.rows), next_page_token=page.next_token
        )

    async def DeleteDatasetVersion(
        self, request: pb.DeleteDatasetVersionRequest, context: Context
    ) -> pb.DeleteDatasetVersionResponse:
        version = await self._store.get(request.id)
        check_untagged(version)
        await self._later.check_unused(version.project_id, version.id)
        exports = await self._exports.of_version(version.id)
        studies = await self._statistics.jobs_of(version.id)
        for job_id in (version.job.id, *studies, *(job_id for _, job_id in exports)):
            await self._jobs.cancel(job_id)
        # The row goes last, so that a call that failed in the middle can be repeated.
        deleted = await self._storage.delete_prefix(version.prefix)
        for export_id, job_id in exports:
            await self._exports.delete(export_id, job_id)
        await self._store.delete(version.id, version.job.id, *studies)
        return pb.DeleteDatasetVersionResponse(deleted_objects=deleted)
