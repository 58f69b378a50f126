"""Runs as folders that TensorBoard reads, also while they go on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from services.trainer.tracking.event_file import EventWriter, file_name
from services.trainer.tracking.scalars import TokensSeen, scalars_of
from sishu.trainer.v1.training_run_pb2 import TrainingRun, TrainingStep

FIGURES = ("step", "loss", "grad_norm", "learning_rate", "epoch", "tokens", "seconds")
MEASURES = ("validation_loss", "reward_accuracy", "reward_margin")


class EventFolder:
    """Writes the event file of a run into a folder; what stood in that file is written anew.

    Args:
        run: the run.
        folder: where its folder goes, among those of other runs.
    """

    def __init__(self, run: TrainingRun, folder: Path) -> None:
        self.folder = folder / folder_name(run)
        self.folder.mkdir(parents=True, exist_ok=True)
        created = run.create_time.seconds
        self._writer, self._seen = EventWriter(created), TokensSeen()
        self._path = self.folder / file_name(created, run.id)
        self._path.write_bytes(self._writer.head)

    def add(self, steps: Iterable[TrainingStep]) -> None:
        """Append steps, also such as are done again."""
        parts = []
        for step in steps:
            figures = {name: getattr(step, name) for name in FIGURES}
            figures |= {field.name: value for field, value in step.ListFields() if field.name in MEASURES}
            scalars = scalars_of(figures, self._seen.after(step.step, step.tokens))
            parts.append(self._writer.step(step.step, step.time.ToNanoseconds() / 1e9, scalars))
        with self._path.open("ab") as stream:
            stream.write(b"".join(parts))


def folder_name(run: TrainingRun) -> str:
    """A run's name for people, with the end of its id, as names need not differ."""
    plain = "".join(char if char.isalnum() or char in "-_." else "-" for char in run.name).strip(".")
    return f"{plain or 'run'}-{run.id[-6:]}"
