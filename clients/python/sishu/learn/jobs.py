"""Start jobs so that a repeated command finds them again, and wait for them."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from sishu.client import Client
from sishu.common.v1.job_pb2 import (
    JOB_STATE_CANCELLED,
    JOB_STATE_FAILED,
    JOB_STATE_PAUSED,
    JOB_STATE_SUCCEEDED,
    Job,
    JobFailure,
)
from sishu.common.v1.job_service_pb2 import ListJobFailuresRequest, RetryJobRequest, WatchJobRequest
from sishu.dataset.v1.example_service_pb2 import ImportExamplesRequest
from sishu.errors import ApiError, error_of
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import ParseDocumentsRequest
from sishu.learn.watching import watched

T = TypeVar("T")

ENDED = (JOB_STATE_SUCCEEDED, JOB_STATE_FAILED, JOB_STATE_CANCELLED)

Watcher = Callable[[Job], None]


def request_id(*parts: object) -> str:
    """The same UUID for the same parts: a step repeated with the same inputs is the same request."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "sishu-learn:" + "\x1f".join(map(str, parts))))


async def begun(start: Callable[[str], Awaitable[T]], job_of: Callable[[T], Job], *parts: object) -> T:
    """Start what these parts name, or find it again; what was cancelled since is started anew.

    Args:
        start: sends the request with a request id.
        job_of: the job of what came back.
        parts: the inputs.
    """
    while True:
        found = await start(request_id(*parts))
        job = job_of(found)
        if job.state != JOB_STATE_CANCELLED:
            return found
        parts = (*parts, job.id)


async def wait(
    client: Client,
    room: str,
    job: Job,
    watch: Watcher = lambda job: None,
    again: Callable[[Job], bool] = lambda job: True,
) -> Job:
    """Wait for a job; one that had failed before is first tried again, unless that is good enough.

    Returns the ended job, succeeded or failed.

    Raises:
        ApiError: the job was cancelled, or is paused.
    """
    if job.state == JOB_STATE_FAILED and again(job):
        job = (await client.jobs(room).RetryJob(RetryJobRequest(id=job.id))).job
    watch(job)
    check_not_paused(job)
    if job.state not in ENDED:
        request = WatchJobRequest(id=job.id)
        async for sight in watched(lambda: client.jobs(room).WatchJob(request)):
            job = sight.job
            watch(job)
            check_not_paused(job)
    if job.state == JOB_STATE_CANCELLED:
        message = f"the job {job.id} ({job.kind}) was cancelled"
        raise ApiError("CANCELLED", "JOB_CANCELLED", message, metadata={"job_id": job.id})
    return job


async def wait_for_success(client: Client, room: str, job: Job, watch: Watcher = lambda job: None) -> Job:
    """Wait for a job all of whose items must succeed.

    Raises:
        ApiError: it failed; the message is that of the first failed item.
    """
    job = await wait(client, room, job, watch)
    if job.state == JOB_STATE_FAILED:
        failures = await failures_of(client, room, job)
        raise job_error(job, failures)
    return job


def check_not_paused(job: Job) -> None:
    """Refuse to wait for a job that somebody has to resume first.

    Raises:
        ApiError: it is paused; the message says why, and what to do.
    """
    if job.state != JOB_STATE_PAUSED:
        return
    why = f": {job.failure.message}" if job.failure.message else ""
    raise ApiError(
        "FAILED_PRECONDITION",
        job.failure.reason or "JOB_PAUSED",
        f"the job {job.id} ({job.kind}) is paused{why}; what it has made is stored. "
        f"`sishu job resume {job.id}` lets it go on; then give the same command again",
        metadata={**job.failure.metadata, "job_id": job.id},
    )


async def failures_of(client: Client, room: str, job: Job) -> list[JobFailure]:
    """The first failed items of a job."""
    request = ListJobFailuresRequest(job_id=job.id, page_size=100)
    return list((await client.jobs(room).ListJobFailures(request)).job_failures)


def job_error(job: Job, failures: Sequence[JobFailure]) -> ApiError:
    """What to tell about a failed job: its first failure, and how many other kinds there are."""
    if not failures:
        message = f"the job {job.id} ({job.kind}) failed"
        return ApiError("INTERNAL", "JOB_FAILED", message, metadata={"job_id": job.id})
    error, others = error_of(failures[0].failure), len({one.failure.message for one in failures}) - 1
    if not others:
        return error
    message = f"{error.message} (and {others} more: `sishu job get {job.id}`)"
    metadata = {**error.metadata, "job_id": job.id, "more_failures": str(others)}
    return ApiError(error.code, error.reason, message, metadata=metadata)


async def start_import(client: Client, project_id: str, generation_id: str, request_id: str = "") -> Job:
    """The job that makes examples of the answers of a generation."""
    request = ImportExamplesRequest(project_id=project_id, generation_id=generation_id, request_id=request_id)
    return (await client.examples.ImportExamples(request)).job


async def parse_documents(
    client: Client, project_id: str, documents: Sequence[Document], watch: Watcher = lambda job: None
) -> None:
    """Parse documents, each version once.

    Raises:
        ApiError: one of them cannot be read; the others are parsed all the same.
    """
    versions = [f"{one.id}:{one.version}" for one in documents]
    request = ParseDocumentsRequest(project_id=project_id, document_ids=[one.id for one in documents])

    async def start(request_id: str) -> Job:
        request.request_id = request_id
        return (await client.documents.ParseDocuments(request)).job

    job = await begun(start, lambda job: job, project_id, "parse", *versions)
    await wait_for_success(client, "ingest", job, watch)
