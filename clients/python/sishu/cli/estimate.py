"""`sishu estimate`: what a training would need, before anything is started."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from sishu.cli.context import with_client
from sishu.cli.failures import in_words
from sishu.cli.find import find_model_of
from sishu.cli.find_projects import find_project, is_id
from sishu.cli.options import takes
from sishu.cli.output import CONSOLE, as_json, show_fields
from sishu.cli.run_options import RunOptions
from sishu.cli.settings import SETTINGS
from sishu.cli.tables import WholeTable
from sishu.cli.texts import say
from sishu.cli.train import PresetOption
from sishu.client import Client
from sishu.trainer.v1 import training_estimate_pb2 as pb
from sishu.trainer.v1.estimate_service_pb2 import EstimateTrainingRequest

GB = 1e9
CONFIG = "config.json"
COMPONENTS = {
    "weights": "estimate_weights",
    "gradients": "estimate_gradients",
    "optimizer": "estimate_optimizer",
    "activations": "estimate_activations",
    "logits": "estimate_logits",
    "gather": "estimate_gather_of_zero",
    "buffers": "estimate_buffers",
    "fragmentation": "estimate_fragmentation",
    "fixed": "estimate_fixed",
}
"""Parts of `MemoryBreakdown` and their texts."""
VERDICTS = {
    pb.TRAINING_FIT_FITS: "estimate_fits",
    pb.TRAINING_FIT_TIGHT: "estimate_tight",
    pb.TRAINING_FIT_DOES_NOT_FIT: "estimate_does_not_fit",
}


@dataclass(frozen=True)
class EstimateOptions(RunOptions):
    """What is known of devices and rows, beside how to train."""

    accelerator: Annotated[str, typer.Option(help=say("estimate_accelerator"))] = ""
    memory_gb: Annotated[float, typer.Option(min=0, help=say("estimate_memory"))] = 0.0
    disk_gb: Annotated[float, typer.Option(min=0, help=say("estimate_disk"))] = 0.0
    rows: Annotated[int, typer.Option(min=0, help=say("estimate_rows"))] = 0
    row_tokens: Annotated[float, typer.Option(min=0, help=say("estimate_row_tokens"))] = 0.0
    longest_row: Annotated[int, typer.Option(min=0, help=say("estimate_longest"))] = 0
    products_tflops: Annotated[float, typer.Option(min=0, help=say("estimate_products"))] = 0.0
    gather_gbs: Annotated[float, typer.Option(min=0, help=say("estimate_gather"))] = 0.0

    def request(self) -> EstimateTrainingRequest:
        """The request that says it, still without the model."""
        of_run = {each.name: getattr(self, each.name) for each in fields(RunOptions)}
        return EstimateTrainingRequest(
            config=RunOptions(**of_run).config(),
            accelerator=self.accelerator,
            free_bytes=round(self.memory_gb * GB),
            disk_free_bytes=round(self.disk_gb * GB),
            rows=self.rows,
            row_tokens=self.row_tokens,
            longest_row_tokens=self.longest_row,
            products_per_second=self.products_tflops * 1e12,
            gather_bytes_per_second=self.gather_gbs * GB,
        )


@takes(EstimateOptions)
def estimate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=say("estimate_model"))],
    project: Annotated[str, typer.Option("--project", "-p", help=say("option_project"))] = "",
    preset: PresetOption = "",
    *,
    options: EstimateOptions,
) -> None:
    """`sishu estimate`."""
    request = options.request()
    request.preset = preset
    content = config_content(Path(model).expanduser())

    async def work(client: Client) -> pb.TrainingEstimate:
        if content:
            request.config_json = content
        else:
            await name_model(client, request, model, project)
        return (await client.estimates.EstimateTraining(request)).estimate

    found = with_client(work)
    if SETTINGS.json:
        print(as_json(found))
    else:
        show(found)


def config_content(path: Path) -> str:
    """The content of a model folder's config.json, or of such a file; empty where there is none."""
    path = path / CONFIG if path.is_dir() else path
    return path.read_text(encoding="utf-8") if path.is_file() else ""


async def name_model(client: Client, request: EstimateTrainingRequest, model: str, project: str) -> None:
    """Say in a request which model is meant: one of the trainer, or a well-known one."""
    if is_id(model):
        request.model_id = model
    elif project:
        request.model_id = await find_model_of(client, (await find_project(client, project)).id, model)
    else:
        request.architecture = model


def show(found: pb.TrainingEstimate) -> None:
    """Print an estimate: memory by component, then the rest line by line."""
    table = WholeTable(box=None, pad_edge=False)
    table.add_column(say("estimate_component"))
    table.add_column("GB", justify="right")
    table.add_column(say("estimate_share"), justify="right")
    for name, key in COMPONENTS.items():
        table.add_row(say(key), *amount(getattr(found.memory, f"{name}_bytes"), found.free_bytes))
    table.add_row(say("estimate_total"), *amount(found.needed_bytes, found.free_bytes))
    CONSOLE.print(table)
    CONSOLE.print()
    show_fields(lines(found))


def amount(value: float, free: float) -> tuple[str, str]:
    """Bytes in GB, and their share of what is free."""
    return f"{value / GB:.2f}", f"{value / free:.1%}"


def lines(found: pb.TrainingEstimate) -> Iterator[tuple[str, str]]:
    """What is told beside the memory, name and text."""
    used, free = f"{found.needed_bytes / GB:.1f}", f"{found.free_bytes / GB:.1f}"
    verdict = say(VERDICTS[found.fit]).format(used=used, free=free, device=found.accelerator)
    yield say("estimate_fit"), verdict
    yield (
        say("estimate_weights_of"),
        say("estimate_weights_line").format(
            all=f"{found.parameter_count:,}",
            learned=f"{found.trainable_parameter_count:,}",
            precision=found.precision,
        ),
    )
    yield from speed_lines(found)
    yield say("estimate_disk_used"), disk_line(found.disk)
    rate = f"{found.fastest_tokens_per_second:,.0f}"
    changes = in_options(found.fastest) or say("estimate_this")
    fastest = say("estimate_fastest_line").format(changes=changes, rate=rate)
    yield say("estimate_fastest"), fastest if found.fastest_tokens_per_second else say("estimate_none")
    if found.fit == pb.TRAINING_FIT_DOES_NOT_FIT:
        yield say("estimate_nearest"), in_options(found.nearest) or say("estimate_none")
    for warning in found.warnings:
        yield say("estimate_warning"), in_words(warning.reason, warning.message, warning.metadata)


def speed_lines(found: pb.TrainingEstimate) -> Iterator[tuple[str, str]]:
    """What is told of the speed."""
    speed = found.speed
    yield (
        say("estimate_batch"),
        say("estimate_batch_line").format(
            tokens=f"{found.micro_batch_tokens:,}",
            count=speed.micro_batches,
            devices=found.devices,
            step=f"{speed.step_tokens:,.0f}",
        ),
    )
    yield (
        say("estimate_speed"),
        say("estimate_speed_line").format(
            rate=f"{speed.tokens_per_second:,.0f}", mfu=f"{speed.mfu:.1%}", hfu=f"{speed.hfu:.1%}"
        ),
    )
    yield (
        say("estimate_step"),
        say("estimate_step_line").format(
            step=f"{speed.step_seconds:,.2f}",
            products=f"{speed.products_seconds:,.2f}",
            gather=f"{speed.gather_seconds:,.2f}",
            reduce=f"{speed.reduce_seconds:,.2f}",
        ),
    )
    if found.steps:
        time = str(datetime.timedelta(seconds=round(found.seconds)))
        yield say("estimate_time"), say("estimate_time_line").format(steps=found.steps, time=time)


def disk_line(disk: pb.DiskEstimate) -> str:
    """What is told of the disk."""
    return say("estimate_disk_line").format(
        checkpoints=f"{disk.checkpoints_bytes / GB:.2f}",
        model=f"{disk.model_bytes / GB:.2f}",
        merged=f"{disk.merged_bytes / GB:.2f}",
    )


def in_options(changes: Sequence[pb.ConfigChange]) -> str:
    """Changes of a config as options of the command."""
    told = []
    for each in changes:
        option = f"--{each.field.replace('_', '-')}"
        told.append(option if each.value == "true" else f"{option} {each.value.strip(chr(34))}")
    return " ".join(told)
