"""`sishu run files` and `sishu run tensorboard`: what a run leaves, and its curves for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.options import IdArgument
from sishu.cli.output import show_many, show_paths
from sishu.cli.settings import Interrupted
from sishu.cli.texts import say
from sishu.client import Client
from sishu.common.v1.object_pb2 import StoredObject
from sishu.learn.curves import all_steps, watched_run
from sishu.learn.tensorboard import EventFolder
from sishu.learn.transfer import download
from sishu.trainer.v1.training_run_pb2 import TrainingRun
from sishu.trainer.v1.training_service_pb2 import GetTrainingRunFilesRequest, GetTrainingRunRequest


def list_files(
    run_id: IdArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help=say("files_out"))] = None,
) -> None:
    """`sishu run files`: list the stored files of a run, or have them in a folder."""

    async def stored(client: Client) -> list[StoredObject]:
        answer = await client.training.GetTrainingRunFiles(GetTrainingRunFilesRequest(id=run_id))
        return list(answer.files)

    async def fetched(client: Client, folder: Path) -> list[Path]:
        return await download(await stored(client), folder)

    if out is None:
        show_many(with_client(stored), ("name", "size_bytes", "sha256"))
    else:
        folder = out
        show_paths(with_client(lambda client: fetched(client, folder)))


def write_events(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help=say("plot_runs"))],
    out: Annotated[Path, typer.Option("--out", "-o", help=say("tensorboard_out"))] = Path("tensorboard"),
    follow: Annotated[bool, typer.Option("--follow", "-f", help=say("tensorboard_follow"))] = False,
) -> None:
    """`sishu run tensorboard`: write event files of runs, one that goes on with its steps as they come."""
    if follow and len(run_ids) > 1:
        raise typer.BadParameter(say("tensorboard_one"), param_hint="--follow")

    async def work(client: Client) -> None:
        for run_id in run_ids:
            folder = EventFolder(await run_of(client, run_id), out)
            show_paths([folder.folder])
            if follow:
                async for sight in watched_run(client, run_id):
                    folder.add(sight.training_steps)
            else:
                folder.add(await all_steps(client, run_id))

    try:
        with_client(work)
    except Interrupted:
        raise Interrupted(say("tensorboard_left")) from None


async def run_of(client: Client, run_id: str) -> TrainingRun:
    """A run."""
    return (await client.training.GetTrainingRun(GetTrainingRunRequest(id=run_id))).training_run
