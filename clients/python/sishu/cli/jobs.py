"""`sishu job`: the jobs of every room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from services.runtime.config import ROOMS
from sishu.cli.context import with_client
from sishu.cli.failures import failure_in_words
from sishu.cli.find_projects import find_project
from sishu.cli.options import IdArgument
from sishu.cli.output import CONSOLE, show_fields, show_grid, show_many, show_one, value_at
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1 import job_pb2, job_service_pb2
from sishu.errors import ApiError
from sishu.learn.jobs import ENDED, by_reason, failures_of, wait

app = typer.Typer(no_args_is_help=True, help=say("job"))

MOST_SHOWN = 10
"""Failed items shown one by one; JSON has them all."""
WIDE = 100
"""Columns of a screen on which the time of a job has room."""


@app.command("list", help=say("list"))
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help=say("option_limit"))] = 50,
    project: Annotated[str, typer.Option("--project", "-p", help=say("job_project"))] = "",
) -> None:
    """Print the newest jobs of every room."""

    async def work(client: Client) -> list[job_pb2.Job]:
        project_id = (await find_project(client, project)).id if project else ""
        request = job_service_pb2.ListJobsRequest(page_size=limit, project_id=project_id)
        pages = [await client.jobs(room).ListJobs(request) for room in ROOMS]
        jobs = [job for page in pages for job in page.jobs]
        return sorted(jobs, key=lambda job: job.create_time.ToNanoseconds(), reverse=True)[:limit]

    show_jobs(with_client(work))


def show_jobs(jobs: Sequence[job_pb2.Job]) -> None:
    """Print jobs, a line each; below what those that work do now, as that is long."""
    if SETTINGS.json:
        show_many(jobs, ())
        return
    ended = [job.counts.done + job.counts.failed + job.counts.skipped for job in jobs]
    cells = {
        "id": [job.id for job in jobs],
        "kind": [job.kind for job in jobs],
        "state": [value_at(job, "state") for job in jobs],
        say("jobs_items"): [f"{count}/{job.counts.total}" for count, job in zip(ended, jobs, strict=True)],
        say("jobs_failed"): [str(job.counts.failed) for job in jobs],
    }
    if CONSOLE.columns >= WIDE:
        cells[say("jobs_created")] = [value_at(job, "create_time") for job in jobs]
    show_grid(cells, len(jobs))
    for job in jobs:
        if job.progress:
            CONSOLE.print(f"{job.id}: {job.progress}", markup=False, highlight=False, soft_wrap=True)


@app.command("get", help=say("get"))
def get_job(job_id: IdArgument) -> None:
    """Print a job and the items that failed for good."""

    async def work(client: Client) -> None:
        room, job = await find_job(client, job_id)
        show_one(job)
        failures = await failures_of(client, room, job)
        if SETTINGS.json:
            show_many(failures, ())
        elif failures:
            show_failures(job, failures)

    with_client(work)


def show_failures(job: job_pb2.Job, failures: Sequence[job_pb2.JobFailure]) -> None:
    """Print why items failed, how many for each reason, and the first of them."""
    show_fields(
        (f"{count} × {one.failure.reason}", failure_in_words(one.failure))
        for count, one in by_reason(failures)
    )
    show_many(failures[:MOST_SHOWN], ("kind", "resource_id", "attempts", "failure.reason"))
    left = job.counts.failed - min(MOST_SHOWN, len(failures))
    lines = [say("failures_more").format(left, job.id)] if left > 0 else []
    if job.state == job_pb2.JOB_STATE_FAILED:
        lines.append(say("failures_retry").format(job.id))
    for line in lines:
        CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)


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
        room, job = await find_job(client, job_id)
        check_not_ended(job)
        return (await client.jobs(room).PauseJob(job_service_pb2.PauseJobRequest(id=job_id))).job

    show_one(with_client(work))


@app.command("resume", help=say("resume"))
def resume_job(job_id: IdArgument) -> None:
    """Let a paused job go on."""

    async def work(client: Client) -> job_pb2.Job:
        room, job = await find_job(client, job_id)
        check_not_ended(job)
        return (await client.jobs(room).ResumeJob(job_service_pb2.ResumeJobRequest(id=job_id))).job

    show_one(with_client(work))


@app.command("retry", help=say("retry"))
def retry_job(job_id: IdArgument) -> None:
    """Run the failed items of a job again."""

    async def work(client: Client) -> job_pb2.Job:
        room, _ = await find_job(client, job_id)
        return (await client.jobs(room).RetryJob(job_service_pb2.RetryJobRequest(id=job_id))).job

    show_one(with_client(work))


def check_not_ended(job: job_pb2.Job) -> None:
    """Refuse what would change nothing.

    Raises:
        ApiError: the job has ended.
    """
    if job.state in ENDED:
        state = value_at(job, "state")
        message = (
            f"the job {job.id} has ended ({state}), so nothing was changed; `sishu job retry {job.id}` runs "
            "what failed again"
        )
        raise ApiError(
            "FAILED_PRECONDITION", "JOB_ENDED", message, metadata={"job_id": job.id, "state": state}
        )


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
