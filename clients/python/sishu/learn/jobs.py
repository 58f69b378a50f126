"""Start jobs so that a repeated command finds them again, and wait for them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from sishu.client import Client
from sishu.common.v1.job_pb2 import (
    JOB_STATE_CANCELLED,
    JOB_STATE_FAILED,
    JOB_STATE_SUCCEEDED,
    Job,
    JobFailure,
)
from sishu.common.v1.job_service_pb2 import ListJobFailuresRequest, RetryJobRequest, WatchJobRequest
from sishu.errors import ApiError
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import ParseDocumentsRequest

ENDED = (JOB_STATE_SUCCEEDED, JOB_STATE_FAILED, JOB_STATE_CANCELLED)

Watcher = Callable[[Job], None]


def request_id(*parts: object) -> str:
    """The same UUID for the same parts: a step repeated with the same inputs is the same request."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "sishu-learn:" + "\x1f".join(map(str, parts))))


async def wait(client: Client, room: str, job: Job, watch: Watcher = lambda job: None) -> Job:
    """Wait for a job; one that had failed before is first tried again.

    Returns the ended job, succeeded or failed.

    Raises:
        ApiError: the job was cancelled.
    """
    if job.state == JOB_STATE_FAILED:
        job = (await client.jobs(room).RetryJob(RetryJobRequest(id=job.id))).job
    watch(job)
    if job.state not in ENDED:
        async for sight in client.jobs(room).WatchJob(WatchJobRequest(id=job.id)):
            job = sight.job
            watch(job)
    if job.state == JOB_STATE_CANCELLED:
        raise ApiError("CANCELLED", "JOB_CANCELLED", f"the job {job.id} ({job.kind}) was cancelled")
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


async def failures_of(client: Client, room: str, job: Job) -> list[JobFailure]:
    """The first failed items of a job."""
    request = ListJobFailuresRequest(job_id=job.id, page_size=100)
    return list((await client.jobs(room).ListJobFailures(request)).job_failures)


def job_error(job: Job, failures: Sequence[JobFailure]) -> ApiError:
    """What to tell about a failed job: every failure once, at most five."""
    if not failures:
        return ApiError("INTERNAL", "JOB_FAILED", f"the job {job.id} ({job.kind}) failed")
    messages = list(dict.fromkeys(one.failure.message for one in failures))
    more = f" (+{len(messages) - 5})" if len(messages) > 5 else ""
    first = failures[0].failure
    return ApiError(first.code, first.reason, "; ".join(messages[:5]) + more)


async def parse_documents(
    client: Client, project_id: str, documents: Sequence[Document], watch: Watcher = lambda job: None
) -> None:
    """Parse documents, each version once.

    Raises:
        ApiError: one of them cannot be read; the others are parsed all the same.
    """
    versions = [f"{one.id}:{one.version}" for one in documents]
    request = ParseDocumentsRequest(
        project_id=project_id,
        document_ids=[one.id for one in documents],
        request_id=request_id(project_id, "parse", *versions),
    )
    job = (await client.documents.ParseDocuments(request)).job
    await wait_for_success(client, "ingest", job, watch)
