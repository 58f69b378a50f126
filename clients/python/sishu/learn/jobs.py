"""Start jobs so that a repeated command finds them again, and wait for them."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

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
from sishu.dataset.v1.import_pb2 import Import, ImportGenerations
from sishu.dataset.v1.import_service_pb2 import CreateImportRequest
from sishu.errors import ApiError, error_of
from sishu.ingest.v1.document_pb2 import Document
from sishu.ingest.v1.document_service_pb2 import ParseDocumentsRequest
from sishu.learn.watching import watched

T = TypeVar("T")

ENDED = (JOB_STATE_SUCCEEDED, JOB_STATE_FAILED, JOB_STATE_CANCELLED)

MOST_FAILURES = 10_000
"""Failed items that are read; more would tell nothing new."""

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
        ApiError: it failed; the message is that of the first failed item, and how many others there are.
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
    resume = f"`sishu job resume {job.id}`"
    why = f": {job.failure.message}" if job.failure.message else ""
    metadata = {**job.failure.metadata, "job_id": job.id, "paused": job.id}
    # Who paused it may have said already how it goes on.
    if resume in why:
        how = ""
    else:
        how = f"; {resume} lets it go on"
        if job.failure.reason:
            metadata |= {"message": job.failure.message, "paused_job": job.id}
    raise ApiError(
        "FAILED_PRECONDITION",
        job.failure.reason or "JOB_PAUSED",
        f"the job {job.id} ({job.kind}) is paused{why}{how}; what it has made is stored, and "
        f"`sishu job wait {job.id}` waits for the rest",
        metadata=metadata,
    )


async def failures_of(client: Client, room: str, job: Job) -> list[JobFailure]:
    """The failed items of a job, oldest first; of very many the first."""
    request = ListJobFailuresRequest(job_id=job.id, page_size=1000)
    found: list[JobFailure] = []
    while len(found) < MOST_FAILURES:
        page = await client.jobs(room).ListJobFailures(request)
        found += page.job_failures
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    return found


def by_reason(failures: Sequence[JobFailure]) -> list[tuple[int, JobFailure]]:
    """The reasons of failed items, the most frequent first: how many there are, and the first of them."""
    counts = Counter(one.failure.reason for one in failures)
    first = {one.failure.reason: one for one in reversed(failures)}
    return [(count, first[reason]) for reason, count in counts.most_common()]


def job_error(job: Job, failures: Sequence[JobFailure]) -> ApiError:
    """What to tell about a failed job: its first failure, how many others there are, and what is stored."""
    if not failures:
        message = f"the job {job.id} ({job.kind}) failed"
        return ApiError("INTERNAL", "JOB_FAILED", message, metadata={"job_id": job.id})
    error, counts = error_of(failures[0].failure), job.counts
    if counts.total <= 1:
        return error
    reasons = ", ".join(f"{count} {one.failure.reason}" for count, one in by_reason(failures))
    message = (
        f"{error.message}; {counts.failed} of {counts.total} items failed ({reasons}), {counts.done} are "
        f"done and stored: `sishu job get {job.id}` shows what failed, `sishu job retry {job.id}` runs it "
        "again"
    )
    metadata = {
        **error.metadata,
        "message": error.message,
        "job_id": job.id,
        "items_failed": str(counts.failed),
        "items_total": str(counts.total),
        "items_done": str(counts.done),
        "reasons": reasons,
    }
    return ApiError(error.code, error.reason, message, metadata=metadata)


async def start_import(
    client: Client, project_id: str, generation_ids: Sequence[str], request_id: str = ""
) -> Import:
    """The import that makes examples of what generations have made, with what gates rejected there."""
    generations = ImportGenerations(generation_ids=generation_ids, with_rejected=True)
    wrapped: dict[str, Any] = {"import": Import(project_id=project_id, generations=generations)}
    return import_in(await client.imports.CreateImport(CreateImportRequest(**wrapped, request_id=request_id)))


def import_in(answer: Any) -> Import:
    """The import that an answer carries; its name is a word of Python."""
    found: Import = getattr(answer, "import")
    return found


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
