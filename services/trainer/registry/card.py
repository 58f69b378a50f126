"""A model's card: Markdown with YAML front matter, as the model hub reads it from README.md.

Fields of the front matter: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from services.trainer.models import HUB_ID, Model
from services.trainer.training_runs import TrainingRun

MOST_MEASURED = 40
"""Rows of the table of losses."""
_BARS = "▁▂▃▄▅▆▇█"
_RELATIONS = {"adapter": "adapter", "merged": "merge", "tuned": "finetune"}
_KINDS = {
    "base": "A base model.",
    "adapter": "An adapter: LoRA matrices for the base model below.",
    "merged": "An adapter merged into its base model; its logits were held against those of the two.",
    "tuned": "A whole model of which a training run has learned weights, or that was imported.",
}


@dataclass(frozen=True)
class CurvePoint:
    """Losses after a step, in nats per supervised token."""

    step: int
    loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class DatasetFacts:
    """What is told of the dataset version that was learned."""

    id: str
    number: int
    content_sha256: str
    splits: Mapping[str, int]
    sources: Mapping[str, int]


@dataclass(frozen=True)
class ExamFacts:
    """How a model did in an exam: the mean of a score of 0 to 1, with its 95 % interval."""

    id: str
    dataset_version_id: str
    arm: str
    items: int
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class CardFacts:
    """All that a card tells."""

    model: Model
    ancestors: Sequence[Model] = ()
    """What it was made of, the nearest first."""
    run: TrainingRun | None = None
    """That made it, or the adapter in it."""
    curve: Sequence[CurvePoint] = ()
    dataset: DatasetFacts | None = None
    """Nothing where the dataset room does not say."""
    exams: Sequence[ExamFacts] = field(default=())


def card(facts: CardFacts) -> str:
    """The text of a card."""
    front = yaml.safe_dump(_front(facts), sort_keys=False, allow_unicode=True)
    sections = [f"---\n{front}---", f"# {facts.model.name}", _KINDS[facts.model.kind], *_sections(facts)]
    return "\n\n".join(sections) + "\n"


def _front(facts: CardFacts) -> dict[str, Any]:
    model, run = facts.model, facts.run
    found: dict[str, Any] = {
        "library_name": "peft" if model.kind == "adapter" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["sishu", *([run.config.method, run.config.objective] if run else [])],
    }
    base = next((each for each in facts.ancestors if each.kind == "base"), None)
    # The hub takes its own ids only.
    if base and HUB_ID.fullmatch(base.source):
        found["base_model"] = base.source
        found["base_model_relation"] = _RELATIONS.get(model.kind, "finetune")
    if facts.exams:
        found["model-index"] = [{"name": model.name, "results": [_result(exam) for exam in facts.exams]}]
    return found


def _result(exam: ExamFacts) -> dict[str, Any]:
    return {
        "task": {"type": "text-generation"},
        "dataset": {
            "type": "held-out-questions",
            "name": f"exam {exam.id}",
            "revision": exam.dataset_version_id,
        },
        "metrics": [{"type": "f1", "name": "token F1", "value": round(exam.mean, 4)}],
    }


def _sections(facts: CardFacts) -> Iterator[str]:
    yield "## Lineage\n\n" + _table(("what", "name", "SHA-256 of the weights"), _lineage(facts))
    if facts.run:
        yield "## Data\n\n" + _table(("", ""), _data(facts.run, facts.dataset))
        yield "## Parameters\n\n" + _table(("parameter", "value"), _parameters(facts.run))
        yield "## Curves\n\n" + _curves(facts.run, facts.curve)
    if facts.exams:
        rows = [
            (exam.id, exam.arm, exam.items, f"{exam.mean:.3f}", f"{exam.low:.3f} to {exam.high:.3f}")
            for exam in facts.exams
        ]
        yield "## Exams\n\n" + _table(("exam", "arm", "questions", "mean token F1", "95 % interval"), rows)


def _lineage(facts: CardFacts) -> Iterator[tuple[object, ...]]:
    for model in (facts.model, *facts.ancestors):
        name = (
            model.name
            if model.kind != "base" or model.source == model.name
            else f"{model.name} ({model.source})"
        )
        yield model.kind, name, model.sha256
        if facts.run and model.training_run_id == facts.run.id:
            yield "training run", f"{facts.run.name} ({facts.run.id})", ""
            yield (
                "dataset version",
                facts.run.dataset_version_id,
                f"{facts.run.dataset_content_sha256} (content)",
            )


def _data(run: TrainingRun, dataset: DatasetFacts | None) -> Iterator[tuple[object, ...]]:
    yield "dataset version", f"{dataset.number} ({dataset.id})" if dataset else run.dataset_version_id
    yield "SHA-256 of its content", run.dataset_content_sha256
    if dataset:
        yield "examples", _counts(dataset.splits)
        yield "training examples by source", _counts(dataset.sources)
    for split, counts in run.row_counts.items():
        yield f"rows of {split}", _counts(counts)


def _parameters(run: TrainingRun) -> Iterator[tuple[object, ...]]:
    for name, value in run.config.as_json().items():
        if value not in (None, "", [], ()):
            yield name, ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    summary = run.summary
    yield "device, precision", f"{summary.device}, {summary.precision}"
    yield (
        "parameters, of these learned",
        f"{summary.parameter_count:,}, {summary.trainable_parameter_count:,}",
    )
    yield "code", run.code_version
    yield from run.engine_versions.items()


def _curves(run: TrainingRun, curve: Sequence[CurvePoint]) -> str:
    summary = run.summary
    lines = [
        f"{summary.steps:,} steps over {summary.tokens:,} tokens. Published: step {summary.published_step:,}."
    ]
    if curve:
        lines += ["", f"Training loss `{sparkline([point.loss for point in curve])}`"]
    measured = [point for point in curve if point.validation_loss is not None]
    if measured:
        losses = [point.validation_loss for point in measured if point.validation_loss is not None]
        lines += ["", f"Validation loss `{sparkline(losses)}`"]
    if not curve:
        return "\n".join(lines)
    rows = [
        (
            point.step,
            f"{point.loss:.4f}",
            "" if point.validation_loss is None else f"{point.validation_loss:.4f}",
        )
        for point in _thinned(curve)
    ]
    return "\n".join([*lines, "", _table(("step", "loss", "validation loss"), rows)])


def _thinned(curve: Sequence[CurvePoint]) -> list[CurvePoint]:
    """At most so many points, the first and the last among them."""
    if len(curve) <= MOST_MEASURED:
        return list(curve)
    last = MOST_MEASURED - 1
    return [curve[number * (len(curve) - 1) // last] for number in range(MOST_MEASURED)]


def sparkline(values: Sequence[float]) -> str:
    """Values as bars, the lowest and the highest as the ends of the scale."""
    low, high = min(values), max(values)
    steps = len(_BARS) - 1
    return "".join(
        _BARS[round((value - low) / (high - low) * steps) if high > low else 0] for value in values
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _table(head: Sequence[str], rows: Any) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    """A text that stays within its cell."""
    return str(value).replace("|", "\\|").replace("\n", " ")
