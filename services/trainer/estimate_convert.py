"""Between the contract of estimates and their domain."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from services.trainer.estimating.advice import Advice, Change
from services.trainer.estimating.estimates import Estimate, Hardware
from services.trainer.estimating.trainings import Rows
from services.trainer.estimating.verdicts import warnings_of
from services.trainer.preflight import accelerator_of
from sishu.trainer.v1 import estimate_service_pb2 as pb
from sishu.trainer.v1 import training_estimate_pb2 as estimate_pb


def hardware_of(request: pb.EstimateTrainingRequest, usual: Hardware) -> Hardware:
    """The devices that a request asks about; without a name those that are usual here.

    Raises:
        InvalidArgument: there is no device of that name in the table.
    """
    base = Hardware(accelerator_of(request.accelerator)) if request.accelerator else usual
    return Hardware(
        base.accelerator,
        request.free_bytes or base.free_bytes,
        request.disk_free_bytes or base.disk_free_bytes,
        request.products_per_second,
        request.gather_bytes_per_second,
        base.native_bf16,
    )


def rows_of(request: pb.EstimateTrainingRequest) -> Rows:
    """What a request says of the rows."""
    return Rows(request.longest_row_tokens, request.row_tokens, request.rows)


def estimate_to_pb(found: Estimate) -> estimate_pb.TrainingEstimate:
    """An estimate."""
    fastest = found.fastest_speed
    return estimate_pb.TrainingEstimate(
        accelerator=found.hardware.accelerator.name,
        devices=found.work.devices,
        fit=estimate_pb.TrainingFit.Value(f"TRAINING_FIT_{found.verdict.upper()}"),
        needed_bytes=round(found.needed),
        free_bytes=round(found.hardware.free),
        memory=breakdown_to_pb(asdict(found.memory)),
        speed=speed_to_pb(found),
        disk=disk_to_pb(found),
        steps=found.steps,
        seconds=found.seconds,
        parameter_count=found.work.architecture.parameters,
        trainable_parameter_count=found.work.learned,
        micro_batch_tokens=found.work.micro_tokens,
        recomputes_activations=found.work.recompute,
        precision=found.work.precision,
        fastest=changes_to_pb(found.fastest),
        fastest_tokens_per_second=fastest.tokens_per_second if fastest else 0.0,
        nearest=changes_to_pb(found.nearest),
        warnings=[estimate_pb.EstimateWarning(**asdict(each)) for each in warnings_of(found)],
    )


def breakdown_to_pb(memory: Mapping[str, float]) -> estimate_pb.MemoryBreakdown:
    """Bytes by what they are for."""
    return estimate_pb.MemoryBreakdown(**{f"{name}_bytes": round(value) for name, value in memory.items()})


def speed_to_pb(found: Estimate) -> estimate_pb.SpeedForecast:
    """A forecast."""
    speed = found.speed
    return estimate_pb.SpeedForecast(
        tokens_per_second=speed.tokens_per_second,
        step_seconds=speed.step_seconds,
        products_seconds=speed.products_seconds,
        gather_seconds=speed.gather_seconds,
        reduce_seconds=speed.reduce_seconds,
        step_tokens=speed.step_tokens,
        micro_batches=speed.micro_batches,
        mfu=speed.mfu,
        hfu=speed.hfu,
        model_flops_per_token=found.model_flops,
        hardware_flops_per_token=found.hardware_flops,
        measured=found.hardware.products_rate > 0,
    )


def disk_to_pb(found: Estimate) -> estimate_pb.DiskEstimate:
    """Bytes of disk."""
    disk = found.disk
    return estimate_pb.DiskEstimate(
        checkpoints_bytes=round(disk.checkpoints),
        model_bytes=round(disk.model),
        merged_bytes=round(disk.merged),
        rows_bytes=round(disk.rows),
        free_bytes=round(found.hardware.disk_free_bytes),
    )


def changes_to_pb(advice: Advice | None) -> list[estimate_pb.ConfigChange]:
    """What to change in the config; nothing where there is no advice."""
    return [change_to_pb(each) for each in (advice.changes if advice else ())]


def change_to_pb(change: Change) -> estimate_pb.ConfigChange:
    """A change."""
    return estimate_pb.ConfigChange(field=change.field, value=json.dumps(change.value))


def memory_estimate_to_pb(kept: Mapping[str, Any] | None) -> estimate_pb.MemoryEstimate | None:
    """What was kept of a run's estimate; nothing where none was made."""
    if kept is None:
        return None
    values = {name: kept[name] for name in _KEPT}
    return estimate_pb.MemoryEstimate(**values, memory=breakdown_to_pb(kept["memory"]))


_KEPT: Iterable[str] = (
    "tensors_bytes",
    "needed_bytes",
    "free_bytes",
    "micro_batch_tokens",
    "tokens_per_second",
    "forced",
)
