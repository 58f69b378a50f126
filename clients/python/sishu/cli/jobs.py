"""`sishu job`: the jobs of every room."""

from __future__ import annotations

from typing import Annotated

import typer

from services.runtime.config import ROOMS
from sishu.cli.context import with_client
from sishu.cli.options import IdArgument
from sishu.cli.output import show_many, show_one
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.errors import ApiError
from sishu.learn.jobs import wait

app = typer.Typer(no_args_is_help=True, help=say("job"))

COLUMNS = ("id", "kind", "state", "counts.total", "counts.done", "counts.failed", "progress", "create_time")


@app.command("list", help=say("list"))
def list_jobs(limit: Annotated[int, typer.Option(min=1, max=1000, help=say("option_limit"))] = 50) -> None:
    """Print the newest jobs of every room."""

    async def work(client: Client) -> list[job_pb2.Job]:
        request = job_service_pb2.ListJobsRequest(page_size=limit)
        pages = [await client.jobs(room).ListJobs(request) for room in ROOMS]
        jobs = [job for page in pages for job in page.jobs]
        return sorted(jobs, key=lambda job: job.create_time.ToNanoseconds(), reverse=True)[:limit]

    show_many(with_client(work), COLUMNS)


@app.command("get", help=say("get"))
def get_job(job_id: IdArgument) -> None:
    """Print a job and the items that failed for good."""

    async def work(client: Client) -> None:
        room, job = await find_job(client, job_id)
        show_one(job)
        request = job_service_pb2.ListJobFailuresRequest(job_id=job.id)
        failures = (await client.jobs(room).ListJobFailures(request)).job_failures
        if failures:
            show_many(failures, ("kind", "resource_id", "attempts", "failure.reason", "failure.message"))

    with_client(work)


@app.command("wait", help=say("wait"))
def wait_for_job(job_id: IdArgument) -> None:
    """Wait until a job has ended; exit with 1 when it failed, or is paused."""

    async def work(client: Client) -> job_pb2.Job:
        room, job = await find_job(client, job_id)
        return await wait(client, room, job, again=lambda job: False)

    job = with_client(work)
    show_one(job)
    if job.state == job_pb2.JOB_STATE_FAILED:
        raise typer.Exit(1)


@app.command("cancel", help=say("cancel"))
def cancel_job(job_id: IdArgument) -> None:
    """Stop a job."""

    async def work(client: Client) -> job_pb2.Job:
        room, _ = await find_job(client, job_id)
        return (await client.jobs(room).CancelJob(job_service_pb2.CancelJobRequest(id=job_id))).job

    show_one(with_client(work))


@app.command("pause", help=say("pause"))
def pause_job(job_id: IdArgument) -> None:
    """Let no further item of a job begin."""

    async def work(client: Client) -> job_pb2.Job:
        room, _ = await find_job(client, job_id)
        return (await client.jobs(room).PauseJob(job_service_pb2.PauseJobRequest(id=job_id))).job

    show_one(with_client(work))


@app.command("resume", help=say("resume"))
def resume_job(job_id: IdArgument) -> None:
    """Let a paused job go on."""

    async def work(client: Client) -> job_pb2.Job:
        room, _ = await find_job(client, job_id)
        return (await client.jobs(room).ResumeJob(job_service_pb2.ResumeJobRequest(id=job_id))).job

    show_one(with_client(work))


@app.command("retry", help=say("retry"))
def retry_job(job_id: IdArgument) -> None:
    """Run the failed items of a job again."""

    async def work(client: Client) -> job_pb2.Job:
        room, _ = await find_job(client, job_id)
        return (await client.jobs(room).RetryJob(job_service_pb2.RetryJobRequest(id=job_id))).job

    show_one(with_client(work))


async def find_job(client: Client, job_id: str) -> tuple[str, job_pb2.Job]:
    """The room that has a job, and the job.

    Raises:
        ApiError: no room has it.
    """
    for room in ROOMS:
        try:
            answer = await client.jobs(room).GetJob(job_service_pb2.GetJobRequest(id=job_id))
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
        else:
            return room, answer.job
    message = f"no service has a job {job_id}; see `sishu job list`"
    raise ApiError("NOT_FOUND", "JOB_NOT_FOUND", message, metadata={"job_id": job_id})
