"""SwanLab, MLflow and Weights & Biases behind one surface. Each library is read when a run is begun there.

Addresses and keys are the environment's, as each library documents them. Without a key nothing leaves the
machine: SwanLab and W&B are offline then, and MLflow writes into the folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from services.trainer.tracking.scalars import Scalars

LONGEST_PARAMETER = 500
"""Letters of a value that MLflow takes."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run before its first step.

    Args:
        run_id: its id.
        name: its name.
        project: of the tracker.
        folder: where the tracker keeps its files on this machine.
        config: its parameters.
    """

    run_id: str
    name: str
    project: str
    folder: Path
    config: Mapping[str, Any]


class Tracker(Protocol):
    """A tracker with one run."""

    def begin(self, run: TrackedRun, remote_id: str) -> str:
        """Begin the run there, or go on with it; return its id there.

        Args:
            run: the run.
            remote_id: what this returned before; empty at first.
        """

    def url(self) -> str:
        """Where people see the run; empty where that is nowhere."""

    def log(self, step: int, scalars: Scalars) -> None:
        """Tell of a step."""

    def end(self, *, succeeded: bool) -> None:
        """Say that nothing more comes from this process, and wait until all is sent."""


class SwanLab:
    """https://docs.swanlab.cn: `SWANLAB_API_KEY`, `SWANLAB_API_HOST`, `SWANLAB_MODE`."""

    def begin(self, run: TrackedRun, remote_id: str) -> str:
        """Begin the run; only online it can be gone on with."""
        self._library: Any = importlib.import_module("swanlab")
        mode = os.environ.get("SWANLAB_MODE") or (
            "online" if os.environ.get("SWANLAB_API_KEY") else "offline"
        )
        self._online = mode == "online"
        again = {"id": remote_id or run.run_id.replace("-", ""), "resume": "allow"} if self._online else {}
        self._run = self._library.init(
            project=run.project,
            name=run.name,
            config=dict(run.config),
            mode=mode,
            log_dir=str(run.folder),
            **again,
        )
        return str(again.get("id", ""))

    def url(self) -> str:
        """The address of the run; offline it has none, and to ask for it is an error."""
        return str(self._run.url or "") if self._online else ""

    def log(self, step: int, scalars: Scalars) -> None:
        """Tell of a step."""
        self._library.log(scalars, step=step)

    def end(self, *, succeeded: bool) -> None:
        """End the run."""
        self._library.finish(**({} if succeeded else {"state": "crashed"}))


class MLflow:
    """https://mlflow.org/docs: `MLFLOW_TRACKING_URI` and what goes with it."""

    def begin(self, run: TrackedRun, remote_id: str) -> str:
        """Begin the run, or go on with it."""
        self._library: Any = importlib.import_module("mlflow")
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            # Its small edition has no database, and wants to be told that files will do.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            whole = importlib.util.find_spec("sqlalchemy") is not None
            place = f"sqlite:///{run.folder / 'mlflow.db'}" if whole else run.folder.absolute().as_uri()
            self._library.set_tracking_uri(place)
        self._library.set_experiment(run.project)
        active = self._library.start_run(run_id=remote_id or None, run_name=run.name)
        if not remote_id:
            given = {name: str(value)[:LONGEST_PARAMETER] for name, value in run.config.items()}
            self._library.log_params({**given, "sishu_run_id": run.run_id})
        return str(active.info.run_id)

    def url(self) -> str:
        """The address of the server."""
        found = str(self._library.get_tracking_uri())
        return found if found.startswith("http") else ""

    def log(self, step: int, scalars: Scalars) -> None:
        """Tell of a step."""
        self._library.log_metrics(scalars, step=step)

    def end(self, *, succeeded: bool) -> None:
        """End the run."""
        self._library.end_run("FINISHED" if succeeded else "FAILED")


class WeightsAndBiases:
    """https://docs.wandb.ai: `WANDB_API_KEY`, `WANDB_BASE_URL`, `WANDB_MODE`."""

    def begin(self, run: TrackedRun, remote_id: str) -> str:
        """Begin the run, or go on with it."""
        library: Any = importlib.import_module("wandb")
        mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        self._run = library.init(
            project=run.project,
            name=run.name,
            id=remote_id or run.run_id,
            resume="allow",
            config=dict(run.config),
            dir=str(run.folder),
            mode=mode,
        )
        # Its own count of steps must not go back; ours may.
        self._run.define_metric("*", step_metric="train/global_step")
        return remote_id or run.run_id

    def url(self) -> str:
        """The address of the run."""
        return str(self._run.url or "")

    def log(self, step: int, scalars: Scalars) -> None:  # noqa: ARG002  # it stands in the scalars
        """Tell of a step."""
        self._run.log(scalars)

    def end(self, *, succeeded: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if succeeded else 1)


TRACKERS: dict[str, type[Tracker]] = {"swanlab": SwanLab, "mlflow": MLflow, "wandb": WeightsAndBiases}
"""The trackers by the names that configs have for them."""
