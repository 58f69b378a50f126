"""The services of the dataset room: one thin method an rpc."""

from __future__ import annotations

from services.dataset.convert import (
    example_from_pb,
    example_kind,
    example_state,
    example_to_pb,
    file_to_pb,
    files_in,
    member_to_pb,
    merged,
    options_from_pb,
    review_from_pb,
    split_name,
    version_to_pb,
)
from services.dataset.examples import Example, check_messages, revised
from services.dataset.source_mark_store import SourceMarkStore
from services.dataset.store import Store
from services.dataset.versions import VersionFile
from services.runtime.convert import job_to_pb
from services.runtime.db import first_answer
from services.runtime.errors import InvalidArgument
from services.runtime.interceptors import Context, check_message
from services.runtime.jobs import Jobs
from services.runtime.masks import check_mask
from services.runtime.pages import page_request
from services.runtime.storage import Storage
from sishu.client import Client
from sishu.common.v1 import object_pb2
from sishu.dataset.v1 import dataset_service_pb2 as dataset_pb
from sishu.dataset.v1 import example_service_pb2 as example_pb
from sishu.dataset.v1.dataset_service_pb2_grpc import DatasetServiceServicer
from sishu.dataset.v1.example_service_pb2_grpc import ExampleServiceServicer
from sishu.generation.v1 import generation_service_pb2
from sishu.ingest.v1 import project_service_pb2


class ExampleServicer(ExampleServiceServicer):
    """Examples."""

    def __init__(self, store: Store, jobs: Jobs, client: Client, markings: SourceMarkStore) -> None:
        self._store = store
        self._jobs = jobs
        self._client = client
        self._markings = markings

    async def ImportExamples(
        self, request: example_pb.ImportExamplesRequest, context: Context
    ) -> example_pb.ImportExamplesResponse:
        job_id = await first_answer(self._store.pool, "ImportExamples", request.request_id)
        if not job_id:
            await self._check_generation(request.project_id, request.generation_id)
            job_id = await self._store.create_import(
                request.project_id, request.generation_id, request.request_id
            )
        return example_pb.ImportExamplesResponse(job=job_to_pb(await self._jobs.get(job_id)))

    async def CreateExample(
        self, request: example_pb.CreateExampleRequest, context: Context
    ) -> example_pb.CreateExampleResponse:
        example_id = await first_answer(self._store.pool, "CreateExample", request.request_id)
        if not example_id:
            example = example_from_pb(request.example)
            check_messages(example.kind, example.messages)
            wanted = project_service_pb2.GetProjectRequest(id=example.project_id)
            await self._client.projects.GetProject(wanted)
            example_id = await self._store.create_example(example, request.request_id)
        return example_pb.CreateExampleResponse(
            example=example_to_pb(await self._store.get_example(example_id))
        )

    async def GetExample(
        self, request: example_pb.GetExampleRequest, context: Context
    ) -> example_pb.GetExampleResponse:
        return example_pb.GetExampleResponse(example=example_to_pb(await self._store.get_example(request.id)))

    async def ListExamples(
        self, request: example_pb.ListExamplesRequest, context: Context
    ) -> example_pb.ListExamplesResponse:
        filters = (
            request.project_id,
            example_state(request.state),
            example_kind(request.kind),
            request.generation_id or None,
            request.source_gone,
        )
        wanted = page_request(request.page_size, request.page_token, *filters)
        page = await self._store.list_examples(wanted, *filters)
        return example_pb.ListExamplesResponse(
            examples=map(example_to_pb, page.rows), next_page_token=page.next_token
        )

    async def UpdateExample(
        self, request: example_pb.UpdateExampleRequest, context: Context
    ) -> example_pb.UpdateExampleResponse:
        review = review_from_pb(
            request.example, check_mask(request.update_mask, "messages", "state", "rejection")
        )

        def change(example: Example) -> Example:
            wanted = merged(example, request.example, request.update_mask)
            # Names the fields as those of this request: `example.messages[0].role`.
            check_message(example_pb.CreateExampleRequest(example=wanted))
            return revised(example, review)

        example = await self._store.update_example(request.example.id, change)
        return example_pb.UpdateExampleResponse(example=example_to_pb(example))

    async def MarkSources(
        self, request: example_pb.MarkSourcesRequest, context: Context
    ) -> example_pb.MarkSourcesResponse:
        job_id = await self._markings.create(request.project_id, request.request_id)
        # The job first: of one that has ended all is counted.
        job = await self._jobs.get(job_id)
        marked, unmarked = await self._markings.marked_by(job_id)
        return example_pb.MarkSourcesResponse(job=job_to_pb(job), marked=marked, unmarked=unmarked)

    async def DeleteExample(
        self, request: example_pb.DeleteExampleRequest, context: Context
    ) -> example_pb.DeleteExampleResponse:
        await self._store.delete_example(request.id)
        return example_pb.DeleteExampleResponse()

    async def _check_generation(self, project_id: str, generation_id: str) -> None:
        wanted = generation_service_pb2.GetGenerationRequest(id=generation_id)
        answer = await self._client.generations.GetGeneration(wanted)
        if answer.generation.project_id != project_id:
            raise InvalidArgument(
                "PROJECT_MISMATCH",
                f"generation {generation_id} belongs to project {answer.generation.project_id}",
                "generation_id",
                generation_id=generation_id,
                project_id=answer.generation.project_id,
            )


class DatasetServicer(DatasetServiceServicer):
    """Dataset versions."""

    def __init__(self, store: Store, storage: Storage, jobs: Jobs) -> None:
        self._store = store
        self._storage = storage
        self._jobs = jobs

    async def CreateDatasetVersion(
        self, request: dataset_pb.CreateDatasetVersionRequest, context: Context
    ) -> dataset_pb.CreateDatasetVersionResponse:
        version_id = await first_answer(self._store.pool, "CreateDatasetVersion", request.request_id)
        if not version_id:
            options = options_from_pb(request.dataset_version.options)
            version_id = await self._store.create_version(
                request.dataset_version.project_id, options, request.request_id
            )
        version = await self._store.get_version(version_id)
        return dataset_pb.CreateDatasetVersionResponse(dataset_version=version_to_pb(version))

    async def GetDatasetVersion(
        self, request: dataset_pb.GetDatasetVersionRequest, context: Context
    ) -> dataset_pb.GetDatasetVersionResponse:
        version = await self._store.get_version(request.id)
        return dataset_pb.GetDatasetVersionResponse(dataset_version=version_to_pb(version))

    async def ListDatasetVersions(
        self, request: dataset_pb.ListDatasetVersionsRequest, context: Context
    ) -> dataset_pb.ListDatasetVersionsResponse:
        wanted = page_request(request.page_size, request.page_token, request.project_id)
        page = await self._store.list_versions(wanted, request.project_id)
        return dataset_pb.ListDatasetVersionsResponse(
            dataset_versions=map(version_to_pb, page.rows), next_page_token=page.next_token
        )

    async def ListDatasetVersionExamples(
        self, request: dataset_pb.ListDatasetVersionExamplesRequest, context: Context
    ) -> dataset_pb.ListDatasetVersionExamplesResponse:
        version = await self._store.get_version(request.dataset_version_id)
        version.check_ready()
        split = split_name(request.split)
        wanted = page_request(request.page_size, request.page_token, version.id, split)
        page = await self._store.list_members(wanted, version.id, split)
        return dataset_pb.ListDatasetVersionExamplesResponse(
            dataset_version_examples=map(member_to_pb, page.rows), next_page_token=page.next_token
        )

    async def GetDatasetVersionFiles(
        self, request: dataset_pb.GetDatasetVersionFilesRequest, context: Context
    ) -> dataset_pb.GetDatasetVersionFilesResponse:
        version = await self._store.get_version(request.id)
        version.check_ready()
        files = files_in(version.files, request.format, split_name(request.split))
        return dataset_pb.GetDatasetVersionFilesResponse(
            files=[await self._linked(file) for file in files], manifest=await self._linked(version.manifest)
        )

    async def DeleteDatasetVersion(
        self, request: dataset_pb.DeleteDatasetVersionRequest, context: Context
    ) -> dataset_pb.DeleteDatasetVersionResponse:
        version = await self._store.get_version(request.id)
        await self._jobs.cancel(version.job.id)
        # The row goes last, so that a call that failed in the middle can be repeated.
        deleted = await self._storage.delete_prefix(version.prefix)
        await self._store.delete_version(version.id, version.job.id)
        return dataset_pb.DeleteDatasetVersionResponse(deleted_objects=deleted)

    async def _linked(self, file: VersionFile) -> object_pb2.StoredObject:
        return file_to_pb(file, await self._storage.link_to_get(file.key, file.file_name))
