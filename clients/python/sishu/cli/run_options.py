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
    validation_steps: Annotated[int | None, typer.Option(min=0, help=say("run_validation_steps"))] = None
    early_stop_patience: Annotated[int | None, typer.Option(min=0, help=say("run_early_stop"))] = None
    early_stop_margin: Annotated[float | None, typer.Option(min=0, help=say("run_early_margin"))] = None
    publish: Annotated[str | None, typer.Option(metavar="best|last", help=say("run_publish"))] = None

    def config(self) -> TrainingConfig:
        """The config that says it."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return TrainingConfig(**given)
