"""JobService, as every room serves it over its own jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.runtime.convert import failed_item_to_pb, job_state_name, job_to_pb
from services.runtime.interceptors import Context
from services.runtime.jobs import Jobs
from services.runtime.pages import page_request
from sishu.common.v1 import job_service_pb2 as pb
from sishu.common.v1.job_service_pb2_grpc import JobServiceServicer


class JobServicer(JobServiceServicer):
    """Thin: reads the request, asks `Jobs`, builds the response."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def GetJob(self, request: pb.GetJobRequest, context: Context) -> pb.GetJobResponse:
        return pb.GetJobResponse(job=job_to_pb(await self._jobs.get(request.id)))

    async def ListJobs(self, request: pb.ListJobsRequest, context: Context) -> pb.ListJobsResponse:
        filters = (request.project_id or None, job_state_name(request.state), request.resource_id or None)
        page = await self._jobs.list(page_request(request.page_size, request.page_token, *filters), *filters)
        return pb.ListJobsResponse(jobs=map(job_to_pb, page.rows), next_page_token=page.next_token)

    async def ListJobFailures(
        self, request: pb.ListJobFailuresRequest, context: Context
    ) -> pb.ListJobFailuresResponse:
        wanted = page_request(request.page_size, request.page_token, request.job_id)
        page = await self._jobs.failures(request.job_id, wanted)
        return pb.ListJobFailuresResponse(
            job_failures=map(failed_item_to_pb, page.rows), next_page_token=page.next_token
        )

    async def WatchJob(
        self, request: pb.WatchJobRequest, context: Context
    ) -> AsyncIterator[pb.WatchJobResponse]:
        async for job in self._jobs.watch(request.id):
            yield pb.WatchJobResponse(job=job_to_pb(job))

    async def CancelJob(self, request: pb.CancelJobRequest, context: Context) -> pb.CancelJobResponse:
        return pb.CancelJobResponse(job=job_to_pb(await self._jobs.cancel(request.id)))

    async def PauseJob(self, request: pb.PauseJobRequest, context: Context) -> pb.PauseJobResponse:
        return pb.PauseJobResponse(job=job_to_pb(await self._jobs.pause(request.id)))

    async def ResumeJob(self, request: pb.ResumeJobRequest, context: Context) -> pb.ResumeJobResponse:
        return pb.ResumeJobResponse(job=job_to_pb(await self._jobs.resume(request.id)))

    async def RetryJob(self, request: pb.RetryJobRequest, context: Context) -> pb.RetryJobResponse:
        return pb.RetryJobResponse(job=job_to_pb(await self._jobs.retry(request.id, request.request_id)))
