"""What a run is while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.trainer.engine import memory, model
from services.trainer.engine.batching import BatchPlan
from services.trainer.engine.events import EventLog
from services.trainer.engine.mishaps import Mishaps
from services.trainer.engine.objectives import Objective
from services.trainer.engine.parallel.strategy import Strategy
from services.trainer.engine.products import Products
from services.trainer.engine.schedules import Schedule
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.validation import Best, Validation


@dataclass
class Totals:
    """What the run has done so far, over all its processes; work that a crash undid is not in it."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss_first: float = 0.0
    loss_last: float = 0.0
    best: Best = field(default_factory=Best)


@dataclass(frozen=True)
class Run:
    """Everything the steps need."""

    spec: TrainSpec
    events: EventLog
    objective: Objective
    plan: BatchPlan
    steps_total: int
    model: model.TrainableModel
    strategy: Strategy
    schedule: Schedule
    memory: memory.MemoryPlan
    identity: dict[str, Any]
    """What must be equal for a checkpoint to be continued."""
    validation: Validation
    totals: Totals
    mishaps: Mishaps
    products: Products | None = None
    """What a token is multiplied with; None where that is not known."""

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.spec.output_dir / "checkpoints"

    def is_saved_after(self, step: int) -> bool:
        """Whether a checkpoint is due after a step."""
        every = self.spec.checkpoint_steps
        is_last = step == self.steps_total or self.ends_early
        return is_last or step == self.totals.best.step or (every > 0 and step % every == 0)

    @property
    def goes_back(self) -> bool:
        """Whether a failed step sends the run back to a checkpoint, if need be to that of step 0."""
        return self.spec.bad_step == "rollback"

    @property
    def ends_early(self) -> bool:
        """Whether the validation loss has not become better for too long."""
        patience = self.spec.early_stop_patience
        return 0 < patience <= self.totals.best.worse_in_a_row
