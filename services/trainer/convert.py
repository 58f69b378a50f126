"""Between the contracts of the trainer room and its domain."""

from __future__ import annotations

from collections.abc import Mapping

from services.runtime.convert import failure_to_pb, job_to_pb, timestamp
from services.trainer.checkpoints.store import StoredCheckpoint
from services.trainer.estimate_convert import memory_estimate_to_pb
from services.trainer.models import Model
from services.trainer.presets import preset_fields
from services.trainer.row_reports import TrainingRow
from services.trainer.run_events import RunEvent
from services.trainer.tracking.convert import tracker_to_pb, verdict_to_pb
from services.trainer.training_config import TrainingConfig, resolve
from services.trainer.training_runs import TrainingRun, TrainingStep, TrainingSummary
from sishu.trainer.v1 import (
    model_pb2,
    training_checkpoint_pb2,
    training_config_pb2,
    training_event_pb2,
    training_row_pb2,
    training_run_pb2,
)


def model_to_pb(model: Model) -> model_pb2.Model:
    """A model."""
    return model_pb2.Model(
        id=model.id,
        project_id=model.project_id,
        name=model.name,
        kind=model_pb2.ModelKind.Value(f"MODEL_KIND_{model.kind.upper()}"),
        source=model.source,
        base_model_id=model.base_model_id or "",
        training_run_id=model.training_run_id or "",
        state=model_pb2.ModelState.Value(f"MODEL_STATE_{model.state.upper()}"),
        failure=failure_to_pb(model.failure),
        architecture=model.architecture,
        parameter_count=model.parameter_count,
        sha256=model.sha256,
        chat_template_sha256=model.chat_template_sha256,
        context_length=model.context_length,
        size_bytes=model.size_bytes,
        job=job_to_pb(model.job) if model.job else None,
        create_time=timestamp(model.create_time),
        renderer_sha256=model.renderer_sha256,
    )


def model_kind(kind: model_pb2.ModelKind.ValueType) -> str | None:
    """The stored name of a model kind; nothing for unspecified."""
    return None if kind == 0 else model_pb2.ModelKind.Name(kind).removeprefix("MODEL_KIND_").lower()


def training_config(message: training_config_pb2.TrainingConfig, preset: str = "") -> TrainingConfig:
    """A config with every default filled in, those of a preset before those of the service.

    Raises:
        InvalidArgument: a value is out of the engine's range, or there is no such preset.
    """
    given = {field.name: value for field, value in message.ListFields()}
    for name in ("lora_targets", "freeze_modules", "freeze_extra_modules", "trackers"):
        if name in given:
            given[name] = tuple(given[name])
    return resolve({**preset_fields(preset), **given})


def config_to_pb(config: TrainingConfig) -> training_config_pb2.TrainingConfig:
    """A config with every parameter set."""
    return training_config_pb2.TrainingConfig(**config.as_json())  # type: ignore[arg-type]  # the names are the same


def summary_to_pb(summary: TrainingSummary, phase: str) -> training_run_pb2.TrainingSummary:
    """What a run reached."""
    return training_run_pb2.TrainingSummary(
        steps=summary.steps,
        steps_total=summary.steps_total,
        tokens=summary.tokens,
        tokens_per_second=summary.tokens_per_second,
        loss_first=summary.loss_first,
        loss_last=summary.loss_last,
        peak_memory_bytes=summary.peak_memory_bytes,
        parameter_count=summary.parameter_count,
        trainable_parameter_count=summary.trainable_parameter_count,
        device=summary.device,
        precision=summary.precision,
        dropped_rows=summary.dropped_rows,
        phase=phase,
        validation_loss=summary.validation_loss,
        validation_loss_best=summary.validation_loss_best,
        validation_best_step=summary.validation_best_step,
        published_step=summary.published_step,
    )


def run_to_pb(run: TrainingRun) -> training_run_pb2.TrainingRun:
    """A run; its model is named once it is there."""
    return training_run_pb2.TrainingRun(
        id=run.id,
        project_id=run.project_id,
        name=run.name,
        dataset_version_id=run.dataset_version_id,
        base_model_id=run.base_model_id,
        config=config_to_pb(run.config),
        state=training_run_pb2.TrainingRunState.Value(f"TRAINING_RUN_STATE_{run.state.upper()}"),
        failure=failure_to_pb(run.failure),
        job=job_to_pb(run.job),
        summary=summary_to_pb(run.summary, run.phase),
        model_id=run.model_id if run.state == "succeeded" else "",
        create_time=timestamp(run.create_time),
        update_time=timestamp(run.update_time),
        dataset_content_sha256=run.dataset_content_sha256,
        base_model_sha256=run.base_model_sha256,
        code_version=run.code_version,
        engine_versions=run.engine_versions,
        engine_environment=run.engine_environment,
        training_rows=row_counts_to_pb(run.row_counts.get("train")),
        validation_rows=row_counts_to_pb(run.row_counts.get("validation")),
        renderer_sha256=run.renderer_sha256,
        memory_estimate=memory_estimate_to_pb(run.memory_estimate),
        host=run.host,
        device_ids=run.device_ids,
        verdict=verdict_to_pb(run.verdict),
        trackers=map(tracker_to_pb, run.trackers),
    )


def row_counts_to_pb(counts: Mapping[str, int] | None) -> training_row_pb2.TrainingRowCounts | None:
    """What became of the rows of a split; nothing where that is not known."""
    return None if counts is None else training_row_pb2.TrainingRowCounts(**counts)


def row_outcome(outcome: training_row_pb2.TrainingRowOutcome.ValueType) -> str:
    """The stored name of an outcome; empty for unspecified."""
    name = training_row_pb2.TrainingRowOutcome.Name(outcome)
    return "" if outcome == 0 else name.removeprefix("TRAINING_ROW_OUTCOME_").lower()


def row_to_pb(row: TrainingRow) -> training_row_pb2.TrainingRow:
    """A row."""
    outcome = training_row_pb2.TrainingRowOutcome.Value(f"TRAINING_ROW_OUTCOME_{row.outcome.upper()}")
    return training_row_pb2.TrainingRow(
        split=row.split,
        line=row.line,
        row_id=row.row_id,
        outcome=outcome,
        tokens=row.tokens,
        kept_tokens=row.kept_tokens,
        samples=row.samples,
    )


def step_to_pb(step: TrainingStep) -> training_run_pb2.TrainingStep:
    """A step."""
    return training_run_pb2.TrainingStep(
        step=step.step,
        epoch=step.epoch,
        loss=step.loss,
        learning_rate=step.learning_rate,
        grad_norm=step.grad_norm,
        tokens=step.tokens,
        supervised_tokens=step.supervised_tokens,
        padded_tokens=step.padded_tokens,
        seconds=step.seconds,
        peak_memory_bytes=step.peak_memory_bytes,
        time=timestamp(step.time),
        validation_loss=step.validation_loss,
        reward_accuracy=step.reward_accuracy,
        reward_margin=step.reward_margin,
    )


def checkpoint_to_pb(checkpoint: StoredCheckpoint) -> training_checkpoint_pb2.TrainingCheckpoint:
    """A checkpoint that the bucket has whole."""
    return training_checkpoint_pb2.TrainingCheckpoint(
        step=checkpoint.step,
        prefix=checkpoint.prefix,
        size_bytes=checkpoint.size_bytes,
        loss=checkpoint.loss,
        validation_loss=checkpoint.validation_loss,
        create_time=timestamp(checkpoint.create_time),
    )


def event_to_pb(event: RunEvent) -> training_event_pb2.TrainingEvent:
    """Something that happened to a run."""
    return training_event_pb2.TrainingEvent(
        number=event.number,
        kind=event.kind,
        message=event.message,
        time=timestamp(event.time),
        details=event.details,
    )
