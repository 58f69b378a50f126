"""`sishu run cancel|pause|resume|retry`, and what can be seen of a run beside its steps."""

from __future__ import annotations

from typing import Any

from sishu.cli.context import with_client
from sishu.cli.options import IdArgument, LimitOption
from sishu.cli.output import show_many, show_one
from sishu.client import Client
from sishu.trainer.v1 import training_service_pb2 as pb
from sishu.trainer.v1.training_run_pb2 import TrainingRun

LARGEST_PAGE = 1000


def cancel_run(run_id: IdArgument) -> None:
    """`sishu run cancel`."""

    async def work(client: Client) -> TrainingRun:
        answer = await client.training.CancelTrainingRun(pb.CancelTrainingRunRequest(id=run_id))
        return answer.training_run

    show_one(with_client(work))


def pause_run(run_id: IdArgument) -> None:
    """`sishu run pause`."""

    async def work(client: Client) -> TrainingRun:
        answer = await client.training.PauseTrainingRun(pb.PauseTrainingRunRequest(id=run_id))
        return answer.training_run

    show_one(with_client(work))


def resume_run(run_id: IdArgument) -> None:
    """`sishu run resume`."""

    async def work(client: Client) -> TrainingRun:
        answer = await client.training.ResumeTrainingRun(pb.ResumeTrainingRunRequest(id=run_id))
        return answer.training_run

    show_one(with_client(work))


def retry_run(run_id: IdArgument) -> None:
    """`sishu run retry`."""

    async def work(client: Client) -> TrainingRun:
        answer = await client.training.RetryTrainingRun(pb.RetryTrainingRunRequest(id=run_id))
        return answer.training_run

    show_one(with_client(work))


def list_checkpoints(run_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu run checkpoints`."""

    async def work(client: Client) -> list[Any]:
        request = pb.ListTrainingCheckpointsRequest(training_run_id=run_id)
        return await pages(client.training.ListTrainingCheckpoints, request, "training_checkpoints", limit)

    show_many(with_client(work), ("step", "size_bytes", "loss", "validation_loss", "create_time", "prefix"))


def list_events(run_id: IdArgument, limit: LimitOption = 100) -> None:
    """`sishu run events`."""

    async def work(client: Client) -> list[Any]:
        request = pb.ListTrainingEventsRequest(training_run_id=run_id)
        return await pages(client.training.ListTrainingEvents, request, "training_events", limit)

    show_many(with_client(work), ("number", "time", "kind", "message"))


async def pages(call: Any, request: Any, field: str, limit: int) -> list[Any]:
    """The first rows of a list, page by page.

    Args:
        call: the rpc.
        request: what is asked of it, but for the page.
        field: of the answer that has the rows.
        limit: most rows.
    """
    found: list[Any] = []
    while len(found) < limit:
        request.page_size = min(limit - len(found), LARGEST_PAGE)
        answer = await call(request)
        found += getattr(answer, field)
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    return found
