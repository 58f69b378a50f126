"""The whole of an estimate: memory, speed, disk, a verdict, and what would be better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from services.trainer.estimating.accelerators import Accelerator
from services.trainer.estimating.advice import (
    REFUSE_SHARE,
    WARN_SHARE,
    Advice,
    Change,
    as_engine_does,
    fastest,
    nearest,
)
from services.trainer.estimating.architectures import Architecture
from services.trainer.estimating.disk import Disk, disk_of
from services.trainer.estimating.memory import Memory, memory_of
from services.trainer.estimating.speed import Rates, Speed, hardware_flops, model_flops, speed_of
from services.trainer.estimating.trainings import (
    Rows,
    longest_row,
    precision_of,
    step_tokens,
    workload_of,
)
from services.trainer.estimating.workloads import Workload
from services.trainer.training_config import TrainingConfig

FITS, TIGHT, DOES_NOT_FIT = "fits", "tight", "does_not_fit"


@dataclass(frozen=True)
class Hardware:
    """The devices, and what is known of them beyond the table."""

    accelerator: Accelerator
    free_bytes: float = 0.0
    """Of one device, or of the machine for a CPU; 0 takes all that the table says."""
    disk_free_bytes: float = 0.0
    """0 where it is not known."""
    products_rate: float = 0.0
    """Operations a second that a probe measured; 0 takes the table's share of the peak."""
    gather_rate: float = 0.0
    """Bytes a second that a probe measured; 0 takes the table's."""
    native_bf16: bool | None = None
    """Whether it computes in bf16; None asks the table."""

    @property
    def free(self) -> float:
        """Bytes that one device can still give."""
        return self.free_bytes or self.accelerator.memory_bytes

    @property
    def bf16(self) -> bool:
        """Whether `auto` takes bf16."""
        return "bf16" in self.accelerator.peaks if self.native_bf16 is None else self.native_bf16


@dataclass(frozen=True)
class Estimate:
    """What a training will need."""

    work: Workload
    hardware: Hardware
    memory: Memory
    speed: Speed
    disk: Disk
    steps: int
    """Optimizer steps of the whole run; 0 where the number of rows is not known."""
    tokens: float
    """Of the whole run."""
    fastest: Advice | None
    """The fastest setting that fits and learns the same."""
    fastest_speed: Speed | None
    nearest: Advice | None
    """Where the wanted setting does not fit: the nearest one that does."""

    @property
    def needed(self) -> float:
        """Bytes of one device; on a CPU of all processes together."""
        count = self.work.devices if self.hardware.accelerator.is_cpu else 1
        return self.memory.total * count

    @property
    def used_share(self) -> float:
        """Of what is free."""
        return self.needed / self.hardware.free

    @property
    def verdict(self) -> str:
        """`fits`, `tight` above 80 % of what is free, or `does_not_fit` above 90 %."""
        if self.used_share > REFUSE_SHARE:
            return DOES_NOT_FIT
        return TIGHT if self.used_share > WARN_SHARE else FITS

    @property
    def disk_is_short(self) -> bool:
        """Whether the disk has less room than the run leaves on it."""
        return 0 < self.hardware.disk_free_bytes < self.disk.needed

    @property
    def seconds(self) -> float:
        """Of all steps; 0 where their number is not known."""
        return self.steps * self.speed.step_seconds

    @property
    def model_flops(self) -> float:
        """Operations a token, for MFU."""
        return model_flops(self.work)

    @property
    def hardware_flops(self) -> float:
        """Operations a token, for HFU."""
        return hardware_flops(self.work)


def estimate(
    settings: TrainingConfig,
    architecture: Architecture,
    hardware: Hardware,
    rows: Rows,
    *,
    stage: int,
    epochs: float = 0.0,
    max_steps: int = 0,
) -> Estimate:
    """What a training of these settings needs on this hardware.

    Args:
        settings: as a run has them, defaults filled in.
        architecture: of the base model.
        hardware: devices of one kind; as many as the settings say.
        rows: what is known of the rows.
        stage: of ZeRO.
        epochs: passes over the rows.
        max_steps: steps in their place; 0 means none.
    """
    cpu = hardware.accelerator.is_cpu
    wanted = workload_of(settings, architecture, rows, on_cpu=cpu, native_bf16=hardware.bf16, stage=stage)
    free = hardware.free / settings.devices if cpu else hardware.free
    tokens = step_tokens(settings, rows, longest_row(settings, architecture, rows))
    work = as_engine_does(wanted, free, tokens)
    rates = rates_of(hardware, settings)
    best = _same_step(fastest(wanted, rates, free, tokens), settings, tokens)
    steps = _steps(settings, rows, tokens, epochs, max_steps)
    found = Estimate(
        work=work,
        hardware=hardware,
        memory=memory_of(work),
        speed=speed_of(work, rates, tokens),
        disk=disk_of(work, rows.count * (rows.mean_tokens or work.row_tokens)),
        steps=steps,
        tokens=steps * tokens,
        fastest=best,
        fastest_speed=speed_of(best.work, rates, tokens) if best else None,
        nearest=None,
    )
    if found.verdict != DOES_NOT_FIT:
        return found
    return replace(found, nearest=_same_step(nearest(work, free), settings, tokens))


def _same_step(advice: Advice | None, settings: TrainingConfig, tokens: float) -> Advice | None:
    """With as many micro-batches a step as keep its tokens, where these say how large it is."""
    size = next((each.value for each in advice.changes if each.field == "batch_tokens"), 0) if advice else 0
    if advice is None or not size or settings.step_rows:
        return advice
    count = max(1, round(tokens / int(size)))
    if count == settings.accumulation:
        return advice
    return replace(advice, changes=(*advice.changes, Change("accumulation", count)))


def rates_of(hardware: Hardware, settings: TrainingConfig) -> Rates:
    """What the devices reach in the training's number format."""
    precision = precision_of(settings.precision, native_bf16=hardware.bf16)
    return Rates.of(hardware.accelerator, precision, hardware.products_rate, hardware.gather_rate)


def _steps(settings: TrainingConfig, rows: Rows, tokens: float, epochs: float, max_steps: int) -> int:
    if max_steps or not rows.count:
        return max_steps
    of_pass = (
        rows.count / settings.step_rows if settings.step_rows else rows.count * rows.mean_tokens / tokens
    )
    return max(1, ceil(round(epochs * ceil(of_pass), 6)))
