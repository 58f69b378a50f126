"""Write the report: `report.json` for programs, `report.html` for people, the dataset, the adapter."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sishu.client import Client
from sishu.dataset.v1.dataset_version_pb2 import DATASET_SPLIT_TRAIN
from sishu.dataset.v1.export_pb2 import ExportOptions
from sishu.inference.v1.exam_pb2 import ArmScore
from sishu.learn.chart import loss_chart
from sishu.learn.exports import download_export, export_of
from sishu.learn.gather import Gathered, gather
from sishu.learn.options import LearnOptions
from sishu.learn.pipeline import Learned
from sishu.learn.report_words import WORDS
from sishu.learn.transfer import download_model

FOR_LLAMA_FACTORY = ExportOptions(bundle="llama_factory", splits=[DATASET_SPLIT_TRAIN])
"""What is trained on; the exam stays where it is."""
VERSION = 1
"""Format of `report.json`; keys are added, never changed."""


@dataclass(frozen=True)
class Report:
    """Where the report is, and its essence in a few lines."""

    html_path: Path
    json_path: Path
    summary: str


async def write_report(client: Client, learned: Learned, options: LearnOptions) -> Report:
    """Write everything into the output folder; each file whole or not at all."""
    out = options.out
    gathered = await gather(client, learned)
    exported = await export_of(client, learned.dataset_version.id, FOR_LLAMA_FACTORY)
    dataset = await download_export(client, exported.id, out / "dataset")
    adapter = await download_model(client, learned.training_run.model_id, out / "adapter")
    json_path, html_path = out / "report.json", out / "report.html"
    values = report_values(learned, gathered, [*dataset, *adapter], out)
    write_whole(html_path, render(values, gathered, options.language))
    values["artifacts"][html_path.name] = html_path.stat().st_size
    write_whole(json_path, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    return Report(html_path, json_path, summary(values, WORDS[options.language]))


def report_values(learned: Learned, gathered: Gathered, files: Sequence[Path], out: Path) -> dict[str, Any]:
    """What `report.json` holds."""
    generation, train = learned.generation, learned.training_run.summary
    return {
        "version": VERSION,
        "project": learned.project.name,
        "documents": len(gathered.documents),
        "chunks": sum(one.chunk_count for one in gathered.documents),
        "questions": generation.stats.questions,
        "examples": {
            "made": gathered.kept + gathered.rejected,
            "kept": gathered.kept,
            "rejected": gathered.rejected,
            "rejected_by_reason": gathered.rejected_by_reason,
        },
        "dataset_version": learned.dataset_version.id,
        "dataset": {
            "splits": dict(learned.dataset_version.split_counts),
            "dropped": dict(learned.dataset_version.dropped_counts),
            "content_sha256": learned.dataset_version.content_sha256,
        },
        "train": {
            "steps": train.steps,
            "tokens": train.tokens,
            "tokens_per_second": round(train.tokens_per_second, 1),
            "loss_first": round(train.loss_first, 4),
            "loss_last": round(train.loss_last, 4),
            "peak_memory_bytes": train.peak_memory_bytes,
            "device": train.device,
            "precision": train.precision,
            "parameters": train.parameter_count,
            "trainable_parameters": train.trainable_parameter_count,
            "dropped_rows": train.dropped_rows,
        },
        "exam": exam_values(learned),
        "document_table": [
            {"name": one.name, "chars": one.char_count, "pages": one.page_count, "chunks": one.chunk_count}
            for one in gathered.documents
        ],
        "exam_table": [asdict(row) for row in gathered.exam_rows],
        "loss": [{"step": one.step, "loss": round(one.loss, 4)} for one in gathered.steps],
        "lineage": lineage(learned),
        "artifacts": {file.relative_to(out).as_posix(): file.stat().st_size for file in files},
    }


def exam_values(learned: Learned) -> dict[str, Any]:
    """Items, scores by arm, and the difference."""
    exam = learned.exam
    [difference] = exam.differences
    return {
        "items": exam.item_count,
        **{score.arm: score_values(score) for score in exam.scores},
        "difference": {
            "mean": round(difference.mean, 4),
            "low": round(difference.low, 4),
            "high": round(difference.high, 4),
        },
    }


def score_values(score: ArmScore) -> dict[str, float]:
    """A score with its interval."""
    return {"score": round(score.mean, 4), "low": round(score.low, 4), "high": round(score.high, 4)}


def lineage(learned: Learned) -> dict[str, Any]:
    """The ids from documents to exam."""
    return {
        "project": learned.project.id,
        "documents": {one.name: one.id for one in learned.documents},
        "generation": learned.generation.id,
        "provider": learned.generation.provider_id,
        "dataset_version": learned.dataset_version.id,
        "base_model": learned.base_model.id,
        "base_model_sha256": learned.base_model.sha256,
        "training_run": learned.training_run.id,
        "model": learned.training_run.model_id,
        "exam": learned.exam.id,
    }


def render(values: Mapping[str, Any], gathered: Gathered, language: str) -> str:
    """The report as one HTML page that needs nothing else."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template("report.html.jinja")
    words = WORDS[language]
    return template.render(
        report=values,
        words=words,
        language=language,
        chart=loss_chart([(step.step, step.loss) for step in gathered.steps], words["step"], words["loss"]),
    )


def summary(values: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """The essence in one line."""
    exam = values["exam"]
    return words["summary"].format(
        documents=values["documents"],
        kept=values["examples"]["kept"],
        items=exam["items"],
        base=exam["base"]["score"],
        tuned=exam["tuned"]["score"],
        low=exam["difference"]["low"],
        high=exam["difference"]["high"],
    )


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
