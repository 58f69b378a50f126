"""What every room converts between protobuf and domain: jobs, failures, links, times."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.failures import Failure
from services.runtime.jobs import FailedItem, Job
from services.runtime.storage import Link
from sishu.common.v1 import failure_pb2, job_pb2, object_pb2


def timestamp(time: datetime | None) -> Timestamp | None:
    """A protobuf timestamp; nothing for nothing."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def failure_to_pb(failure: Failure | None) -> failure_pb2.Failure | None:
    """A failure; nothing for nothing."""
    if failure is None:
        return None
    return failure_pb2.Failure(
        code=failure.code, reason=failure.reason, message=failure.message, metadata=dict(failure.metadata)
    )


def job_state_name(state: job_pb2.JobState.ValueType) -> str | None:
    """The stored name of a job state; nothing for unspecified."""
    return None if state == 0 else job_pb2.JobState.Name(state).removeprefix("JOB_STATE_").lower()


def job_to_pb(job: Job) -> job_pb2.Job:
    """A job."""
    return job_pb2.Job(
        id=job.id,
        project_id=job.project_id or "",
        kind=job.kind,
        state=job_pb2.JobState.Value(f"JOB_STATE_{job.state.upper()}"),
        counts=job_pb2.JobCounts(total=job.total, done=job.done, failed=job.failed, skipped=job.skipped),
        resource_id=job.resource_id or "",
        progress=job.progress,
        create_time=timestamp(job.create_time),
        failure=failure_to_pb(job.failure),
        update_time=timestamp(job.update_time),
        end_time=timestamp(job.end_time),
    )


def failed_item_to_pb(item: FailedItem) -> job_pb2.JobFailure:
    """A dead letter."""
    return job_pb2.JobFailure(
        item_id=item.id,
        resource_id=item.resource_id or "",
        kind=item.kind,
        failure=failure_to_pb(item.failure),
        attempts=item.attempts,
        fail_time=timestamp(item.update_time),
    )


def stored_object(name: str, key: str, size_bytes: int, sha256: str, link: Link) -> object_pb2.StoredObject:
    """An object with a link to read it."""
    return object_pb2.StoredObject(
        name=name,
        key=key,
        size_bytes=size_bytes,
        sha256=sha256,
        url=link.url,
        url_expire_time=timestamp(link.expire_time),
    )
