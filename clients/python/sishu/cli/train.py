"""`sishu train` and `sishu run create`: by options, by LLaMA-Factory's file of arguments, by a preset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sishu.cli.argument_files import deepspeed_file, read_text, show_notes, translated
from sishu.cli.context import with_client
from sishu.cli.find import find_model_of, find_version
from sishu.cli.find_projects import find_project
from sishu.cli.options import NameArgument, ProjectOption, WaitOption, need, takes
from sishu.cli.output import show_many, show_one
from sishu.cli.run_options import RunOptions
from sishu.cli.run_sources import check_validated, model_of_source
from sishu.cli.texts import say
from sishu.client import Client
from sishu.errors import ApiError
from sishu.learn.jobs import wait_for_success
from sishu.trainer.v1.training_config_pb2 import TrainingConfig
from sishu.trainer.v1.training_preset_pb2 import TrainingPreset
from sishu.trainer.v1.training_run_pb2 import TrainingRun
from sishu.trainer.v1.training_service_pb2 import (
    CreateTrainingRunRequest,
    GetTrainingRunRequest,
    ListTrainingPresetsRequest,
)
from sishu.trainer.v1.training_translation_pb2 import TrainingTranslation

ConfigOption = Annotated[Path | None, typer.Option("--config", help=say("run_config"))]
PresetOption = Annotated[str, typer.Option("--preset", help=say("run_preset"))]
DatasetOption = Annotated[str, typer.Option("--dataset", help=say("dataset_version"))]
ModelOption = Annotated[str, typer.Option("--model", help=say("model"))]
NAMELESS = "run"


@dataclass(frozen=True)
class Wanted:
    """What was said of a run beside its parameters."""

    project: str
    name: str
    dataset: str
    model: str
    config: Path | None
    preset: str


@takes(RunOptions)
def create_run(
    name: NameArgument,
    project: ProjectOption,
    dataset: DatasetOption = "",
    model: ModelOption = "",
    config: ConfigOption = None,
    preset: PresetOption = "",
    wait: WaitOption = False,
    *,
    options: RunOptions,
) -> None:
    """`sishu run create`: queue a training run."""
    run_it(Wanted(project, name, dataset, model, config, preset), options, wait=wait)


@takes(RunOptions)
def train(
    project: ProjectOption = "",
    config: ConfigOption = None,
    preset: PresetOption = "",
    dataset: DatasetOption = "",
    model: ModelOption = "",
    name: Annotated[str, typer.Option(help=say("train_name"))] = "",
    check: Annotated[bool, typer.Option("--check", help=say("train_check"))] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help=say("train_no_wait"))] = False,
    *,
    options: RunOptions,
) -> None:
    """`sishu train`: train, and wait for the end."""
    wanted = Wanted(project, name, dataset, model, config, preset)
    if check:
        show_one(with_client(lambda client: checked(client, wanted, options)))
        return
    need(project, "sishu train", "--project")
    run_it(wanted, options, wait=not no_wait)


def list_presets() -> None:
    """`sishu run presets`."""

    async def work(client: Client) -> list[TrainingPreset]:
        answer = await client.training.ListTrainingPresets(ListTrainingPresetsRequest())
        return list(answer.training_presets)

    show_many(with_client(work), ("name", "title", "predicted_tokens_per_second"))


def run_it(wanted: Wanted, options: RunOptions, *, wait: bool) -> None:
    """Queue a run, perhaps wait for its end, and show it."""

    async def work(client: Client) -> TrainingRun:
        made = await queued(client, wanted, options)
        if not wait:
            return made
        await wait_for_success(client, "trainer", made.job)
        return (await client.training.GetTrainingRun(GetTrainingRunRequest(id=made.id))).training_run

    show_one(with_client(work))


async def queued(client: Client, wanted: Wanted, options: RunOptions) -> TrainingRun:
    """The run that was wanted, queued.

    Raises:
        ApiError: the file has faults, or something that is needed is named nowhere.
    """
    project_id = (await find_project(client, wanted.project)).id
    told = await understood(client, wanted, options)
    run = TrainingRun(
        project_id=project_id,
        name=wanted.name or told.run_name[:100] or NAMELESS,
        dataset_version_id=await _version(client, wanted, told),
        base_model_id=await _model(client, project_id, wanted, told),
        config=told.config,
    )
    request = CreateTrainingRunRequest(training_run=run, preset=wanted.preset)
    return (await client.training.CreateTrainingRun(request)).training_run


async def understood(client: Client, wanted: Wanted, options: RunOptions) -> TrainingTranslation:
    """What file and options say together; the options come before the file.

    Raises:
        ApiError: the file has faults; they were printed.
    """
    own = options.config()
    if wanted.config is None:
        return TrainingTranslation(config=own)
    text = read_text(wanted.config)
    # Only where the contract has devices can a file be meant for several.
    devices = getattr(own, "devices", 0)
    told = await translated(client, wanted.config, text, devices, deepspeed_file(wanted.config, text))
    show_notes(told.notes)
    told.config.CopyFrom(over(told.config, own))
    return told


async def checked(client: Client, wanted: Wanted, options: RunOptions) -> TrainingTranslation:
    """What preset, file and options say together, the later before the earlier; nothing is started.

    Raises:
        ApiError: the file has faults, which were printed, or there is no such preset.
    """
    told = await understood(client, wanted, options)
    if wanted.preset:
        answer = await client.training.ListTrainingPresets(ListTrainingPresetsRequest())
        presets = {each.name: each.config for each in answer.training_presets}
        if wanted.preset not in presets:
            raise ApiError(
                "INVALID_ARGUMENT",
                "TRAINING_PRESET_UNKNOWN",
                f"there is no preset {wanted.preset}; there are {', '.join(presets)}",
                "preset",
                {"preset": wanted.preset, "presets": ", ".join(presets)},
            )
        told.config.CopyFrom(over(presets[wanted.preset], told.config))
    return told


def over(config: TrainingConfig, own: TrainingConfig) -> TrainingConfig:
    """A config with what another says in the place of what it says itself."""
    both: Any = TrainingConfig()  # its fields are named at run time
    both.CopyFrom(config)
    for field, _ in own.ListFields():
        both.ClearField(field.name)
    both.MergeFrom(own)
    found: TrainingConfig = both
    return found


async def _version(client: Client, wanted: Wanted, told: TrainingTranslation) -> str:
    named = wanted.dataset or (told.datasets[0] if len(told.datasets) == 1 else "")
    if not named:
        raise ApiError(
            "INVALID_ARGUMENT",
            "DATASET_MISSING",
            "give the dataset version to train on with --dataset, or one in the file",
        )
    if wanted.dataset:
        version_id = await find_version(client, named)
    else:
        version_id = await find_version(client, named if "/" in named else f"{wanted.project}/{named}")
    if told.val_size:
        await check_validated(client, version_id, told.val_size)
    return version_id


async def _model(client: Client, project_id: str, wanted: Wanted, told: TrainingTranslation) -> str:
    if wanted.model:
        return await find_model_of(client, project_id, wanted.model)
    if told.model:
        return await model_of_source(client, project_id, told.model)
    raise ApiError(
        "INVALID_ARGUMENT", "MODEL_MISSING", "give the model to train with --model, or one in the file"
    )
