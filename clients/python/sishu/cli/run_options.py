"""How to train, as options of the command."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from sishu.cli.texts import say
from sishu.trainer.v1.training_run_pb2 import TrainingConfig


@dataclass(frozen=True)
class RunOptions:
    """Parameters of a run by their names in the contract; what is not said is left to the service."""

    epochs: Annotated[float | None, typer.Option(help=say("learn_epochs"))] = None
    learning_rate: Annotated[float | None, typer.Option(help=say("learn_rate"))] = None
    objective: Annotated[
        str | None, typer.Option(metavar="sft|dpo|orpo|simpo|kto", help=say("run_objective"))
    ] = None
    beta: Annotated[float | None, typer.Option(min=1e-6, help=say("run_beta"))] = None
    simpo_gamma: Annotated[float | None, typer.Option(min=0, help=say("run_simpo_gamma"))] = None
    label_smoothing: Annotated[float | None, typer.Option(min=0, max=0.5, help=say("run_smoothing"))] = None
    sft_weight: Annotated[float | None, typer.Option(min=0, help=say("run_sft_weight"))] = None
    desirable_weight: Annotated[float | None, typer.Option(min=0, help=say("run_desirable"))] = None
    undesirable_weight: Annotated[float | None, typer.Option(min=0, help=say("run_undesirable"))] = None
    use_rslora: Annotated[bool | None, typer.Option("--use-rslora", help=say("run_rslora"))] = None
    use_dora: Annotated[bool | None, typer.Option("--use-dora", help=say("run_dora"))] = None
    loraplus_ratio: Annotated[float | None, typer.Option(min=0.001, help=say("run_loraplus"))] = None
    validation_steps: Annotated[int | None, typer.Option(min=0, help=say("run_validation_steps"))] = None
    early_stop_patience: Annotated[int | None, typer.Option(min=0, help=say("run_early_stop"))] = None
    early_stop_margin: Annotated[float | None, typer.Option(min=0, help=say("run_early_margin"))] = None
    publish: Annotated[str | None, typer.Option(metavar="best|last", help=say("run_publish"))] = None

    def config(self) -> TrainingConfig:
        """The config that says it."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return TrainingConfig(**given)
