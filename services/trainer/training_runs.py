"""Training runs: one training of a model on a dataset version, and what was measured in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.runtime.failures import Failure
from services.runtime.jobs import Job
from services.trainer.tracking.verdict import LossVerdict
from services.trainer.training_config import TrainingConfig

WAITING = "waiting"
"""Phase of a run that has no device."""


@dataclass(frozen=True)
class TrainingStep:
    """What the engine measured in one optimizer step; loss in nats per supervised token."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    supervised_tokens: int
    padded_tokens: int
    seconds: float
    peak_memory_bytes: int
    time: datetime
    validation_loss: float | None = None
    reward_accuracy: float | None = None
    reward_margin: float | None = None


@dataclass(frozen=True)
class TrainingSummary:
    """What a run reached so far."""

    steps: int = 0
    steps_total: int = 0
    tokens: int = 0
    tokens_per_second: float | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    peak_memory_bytes: int = 0
    parameter_count: int = 0
    trainable_parameter_count: int = 0
    device: str = ""
    precision: str = ""
    dropped_rows: int = 0
    phase: str = ""
    validation_loss: float | None = None
    validation_loss_best: float | None = None
    validation_best_step: int = 0
    published_step: int = 0


@dataclass(frozen=True)
class NewRun:
    """A run to queue, with its lineage: what it trains on and which code does it."""

    project_id: str
    name: str
    dataset_version_id: str
    dataset_content_sha256: str
    base_model_id: str
    base_model_sha256: str
    config: TrainingConfig
    code_version: str


@dataclass(frozen=True)
class TrainingRun:
    """One run. `model_id` is the id that its adapter has, once there is one."""

    id: str
    project_id: str
    name: str
    dataset_version_id: str
    dataset_content_sha256: str
    base_model_id: str
    base_model_sha256: str
    config: TrainingConfig
    model_id: str
    code_version: str
    summary: TrainingSummary
    create_time: datetime
    update_time: datetime
    job: Job
    engine: Mapping[str, object] = field(default_factory=dict)
    """What the engine said of itself: versions, and SHA-256 of chat template and base model."""
    memory_estimate: Mapping[str, object] | None = None
    """What was estimated of it before it began: a row of `memory_estimates`."""
    host: str = ""
    """Machine that trains it now."""
    device_ids: Sequence[str] = ()
    """Devices that it has there."""
    verdict: LossVerdict | None = None
    """What the loss curves say; nothing before the first step."""
    trackers: Sequence[Mapping[str, object]] = ()
    """What became of its experiment trackers."""

    @property
    def state(self) -> str:
        """`pending`, `running`, `paused`, `succeeded`, `failed` or `cancelled`, as the job says."""
        if self.job.state == "pending" or (self.job.state == "running" and self.summary.phase == WAITING):
            return "pending"
        return self.job.state

    @property
    def phase(self) -> str:
        """What the engine does now; empty when the run has ended, or is paused and has no device any more."""
        is_idle = self.job.state == "paused" and self.summary.phase == WAITING
        return "" if self.job.ended or is_idle else self.summary.phase

    @property
    def failure(self) -> Failure | None:
        """Why it failed; nothing unless it did."""
        return self.job.failure if self.job.ended else None

    @property
    def engine_versions(self) -> dict[str, str]:
        """Versions of what the engine runs on, by name; empty before it has said them."""
        versions = self.engine.get("versions")
        return dict(versions) if isinstance(versions, Mapping) else {}

    @property
    def engine_environment(self) -> dict[str, str]:
        """Variables of the computation that the engine found, by name; empty before it has said them."""
        environment = self.engine.get("environment")
        return dict(environment) if isinstance(environment, Mapping) else {}

    @property
    def row_counts(self) -> dict[str, dict[str, int]]:
        """What became of the rows, by split; empty before they are tokenized."""
        counts = self.engine.get("row_counts")
        return dict(counts) if isinstance(counts, Mapping) else {}

    @property
    def renderer_sha256(self) -> str:
        """Hash of the renderer; empty before the engine has said it."""
        return str(self.engine.get("renderer_sha256", ""))

    @property
    def files_prefix(self) -> str:
        """Where the bucket keeps the run's own files."""
        return f"runs/{self.project_id}/{self.id}/"

    @property
    def checkpoints_prefix(self) -> str:
        """Where it keeps the run's checkpoints, among these."""
        return f"{self.files_prefix}checkpoints/"

    @property
    def model_prefix(self) -> str:
        """Where the bucket keeps the files of the adapter."""
        return f"models/{self.project_id}/{self.model_id}/"
