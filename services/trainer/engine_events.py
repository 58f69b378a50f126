"""What the engine writes into `events.jsonl`, read while it grows and turned into the run's own terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from services.trainer.engine.events import read_events
from services.trainer.training_runs import TrainingStep, TrainingSummary

MOST_EVENTS = 1000
"""Read at once."""

FACTS = (
    "versions",
    "environment",
    "chat_template_sha256",
    "renderer_sha256",
    "base_model_sha256",
    "truncation",
)
"""What is kept of a `started` event, beside what the summary shows."""

Event = dict[str, Any]
Placed = tuple[Event, int]
"""An event with the offset after it."""


def next_events(path: Path, offset: int) -> list[Placed]:
    """The next events from an offset on, each with the offset after it, from where to go on."""
    return list(islice(read_events(path, offset), MOST_EVENTS))


def steps_of(events: Sequence[Placed]) -> list[TrainingStep]:
    """The steps among events, by number; of a step that was done twice the later one."""
    steps = {event["step"]: event for event, _ in events if event["type"] == "step"}
    return [step_of(steps[number]) for number in sorted(steps)]


def step_of(event: Event) -> TrainingStep:
    """A `step` event."""
    return TrainingStep(
        step=event["step"],
        epoch=event["epoch"],
        loss=event["loss"],
        learning_rate=event["learning_rate"],
        grad_norm=event["grad_norm"],
        tokens=event["tokens"],
        supervised_tokens=event["supervised_tokens"],
        padded_tokens=event["padded_tokens"],
        seconds=event["seconds"],
        peak_memory_bytes=event["peak_memory_bytes"],
        time=datetime.fromtimestamp(event["time"], UTC),
        validation_loss=event.get("validation_loss"),
        reward_accuracy=event.get("reward_accuracy"),
        reward_margin=event.get("reward_margin"),
    )


@dataclass(frozen=True)
class EngineFailure:
    """Why the engine says that it failed."""

    reason: str
    message: str


@dataclass(frozen=True)
class RunLog:
    """What the events say so far.

    Args:
        fresh_from: place in the file from which on the present process of the engine writes.
    """

    fresh_from: int = 0
    summary: TrainingSummary = field(default_factory=TrainingSummary)
    facts: dict[str, Any] = field(default_factory=dict)
    failure: EngineFailure | None = None
    finished: bool = False
    saved: bool = False
    """Whether the present process has written a checkpoint."""
    worked: int = 0
    """Pieces of work that the present process has done, as its heartbeat tells."""
    tokens: int = 0
    """Real tokens of the present process."""
    seconds: float = 0.0
    """Seconds that its steps took."""
    reports: dict[str, str] = field(default_factory=dict)
    """Reports about rows by split, as paths in the run's folder."""

    def fresh(self, place: int) -> bool:
        """Whether the event that ends at a place was written by the present process."""
        return place > self.fresh_from

    def after(self, events: Sequence[Placed]) -> RunLog:
        """What is known after these events."""
        log = self
        for event, place in events:
            log = log._after_one(event, place)
        return log

    def _after_one(self, event: Event, place: int) -> RunLog:
        match event["type"]:
            case "progress":
                return self._progressed(event) if self.fresh(place) else self
            case "started":
                return self._started(event)
            case "rows":
                return self._read(event)
            case "resumed" | "rolled_back":
                return self._with(steps=event["step"])
            case "step":
                return self._stepped(event, self.fresh(place))
            case "passed_over":
                return self._with(steps=event["step"], **self._validated(event))
            case "checkpoint":
                return replace(self, saved=self.saved or self.fresh(place))
            case "finished":
                # Of the whole run: an engine that had finished before has no steps of its own.
                speed = event["tokens_per_second"]
                published = event.get("published_step", self.summary.steps)
                return replace(self, finished=True)._with(
                    phase="storing", tokens_per_second=speed, published_step=published
                )
            case "failed" if self.fresh(place):
                return replace(self, failure=EngineFailure(event["reason"], event["message"]))
            case _:
                return self

    def _progressed(self, event: Event) -> RunLog:
        return replace(self, worked=event.get("worked", 0))._with(phase=event["phase"])

    def _started(self, event: Event) -> RunLog:
        facts = {name: event[name] for name in FACTS if name in event}
        shown = (
            "steps_total",
            "parameter_count",
            "trainable_parameter_count",
            "device",
            "precision",
            "dropped_rows",
        )
        return replace(self, facts={**self.facts, **facts})._with(
            phase="training", **{name: event[name] for name in shown}
        )

    def _read(self, event: Event) -> RunLog:
        """Rows were tokenized: what became of those of a split."""
        counts = {
            "rows": event["rows"],
            "kept": event["kept_rows"],
            "cut": event["truncated_rows"],
            "dropped": event["dropped_rows"],
            "samples": event["samples"],
        }
        known = {**self.facts.get("row_counts", {}), event["split"]: counts}
        reports = {**self.reports, event["split"]: event["report"]}
        log = replace(self, facts={**self.facts, "row_counts": known}, reports=reports)
        return log._with(dropped_rows=counts["dropped"]) if event["split"] == "train" else log

    def _stepped(self, event: Event, fresh: bool) -> RunLog:
        tokens = self.tokens + fresh * event["tokens"]
        seconds = self.seconds + fresh * event["seconds"]
        first = event["loss"] if event["step"] == 1 else self.summary.loss_first
        return replace(self, tokens=tokens, seconds=seconds)._with(
            steps=event["step"],
            loss_first=first,
            loss_last=event["loss"],
            peak_memory_bytes=max(self.summary.peak_memory_bytes, event["peak_memory_bytes"]),
            tokens_per_second=tokens / seconds if seconds else None,
            phase="training",
            **self._validated(event),
        )

    def _validated(self, event: Event) -> dict[str, Any]:
        """What a step's measurement on the validation rows changes, if it had one."""
        if "validation_loss" not in event:
            return {}
        # The engine knows: what is better depends on the margin, and on what a resume has undone.
        return {
            "validation_loss": event["validation_loss"],
            "validation_loss_best": event["validation_loss_best"],
            "validation_best_step": event["validation_best_step"],
        }

    def _with(self, **changes: Any) -> RunLog:
        return replace(self, summary=replace(self.summary, **changes))


def reports_of(events: Sequence[Placed]) -> dict[str, str]:
    """The reports about rows that events name, by split; paths within the run's folder."""
    return {event["split"]: event["report"] for event, _ in events if event["type"] == "rows"}


def progress_text(summary: TrainingSummary) -> str:
    """What a run does now, in a few words."""
    if summary.phase != "training" or summary.loss_last is None:
        return summary.phase
    words = f"step {summary.steps}/{summary.steps_total}, loss {summary.loss_last:.4g}"
    if summary.validation_loss is not None:
        words += f", validation loss {summary.validation_loss:.4g}"
    if summary.tokens_per_second is None:
        return words
    return f"{words}, {summary.tokens_per_second:.0f} tokens/s"
