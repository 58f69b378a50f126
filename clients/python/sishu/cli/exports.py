"""`sishu dataset export`: a dataset version as files for other programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.datasets import VersionArgument
from sishu.cli.export_filter_options import with_ids
from sishu.cli.export_options import ExportWishes
from sishu.cli.find import find_version
from sishu.cli.options import need, takes
from sishu.cli.output import ERRORS, show_lines, show_paths
from sishu.cli.settings import SETTINGS
from sishu.cli.texts import say
from sishu.client import Client
from sishu.dataset.v1.export_pb2 import Export
from sishu.learn.exports import download_export, export_of
from sishu.learn.hub import Hub
from sishu.learn.out_folder import prepare_out
from sishu.learn.progress import ProgressDisplay, Stage, watching


@takes(ExportWishes)
def export_dataset(
    version: VersionArgument,
    options: ExportWishes,
    out: Annotated[Path, typer.Option(help=say("export_out"))] = Path("dataset"),
    file_format: Annotated[str, typer.Option("--format", help=say("export_format"))] = "llama_factory",
    push_to: Annotated[str, typer.Option(metavar="REPO", help=say("export_push"))] = "",
    public: Annotated[bool, typer.Option("--public", help=say("export_public"))] = False,
) -> None:
    """Have a dataset version written as files, and fetch them; what was broken off goes on."""
    wanted = options.options(file_format)
    if public:
        need(push_to, "--public", "--push-to REPO")
    # Before anything is made and fetched.
    prepare_out(out)
    hub = Hub.of(push_to) if push_to else None

    async def work(client: Client) -> tuple[Export, list[Path], str]:
        display, version_id = ProgressDisplay(ERRORS), await find_version(client, version)
        if wanted.HasField("filter"):
            await with_ids(client, version_id, wanted.filter)
        async with display.stage(say("export_making")) as stage:
            export = await export_of(client, version_id, wanted, watching(stage))
        async with display.stage(say("export_fetching")) as stage:
            paths = await download_export(client, export.id, out, counting(stage))
        # It asks the hub in a blocking way.
        address = await asyncio.to_thread(hub.push, out, not public) if hub else ""
        return export, paths, address

    export, paths, address = with_client(work)
    show_left_out(export)
    show_paths(paths)
    if address and SETTINGS.json:
        print(json.dumps({"address": address}))
    elif address:
        show_lines([address])


def counting(stage: Stage) -> Callable[[int], Callable[[int], None]]:
    """Shows bytes that have come in a stage."""

    def sized(total: int) -> Callable[[int], None]:
        def advance(count: int) -> None:
            stage.set(stage.done + count, total)

        stage.set(0, total)
        return advance

    return sized


def show_left_out(export: Export) -> None:
    """Say how many examples have no place in the files."""
    for file in export.files:
        for one in file.left_out:
            told = say("export_left_out").format(file.name, one.count, one.reason, one.kind)
            ERRORS.print(told, markup=False, highlight=False, soft_wrap=True)
