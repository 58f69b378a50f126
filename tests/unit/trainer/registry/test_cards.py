"""A model's card, as the hub reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import yaml

from services.runtime.jobs import Job
from services.trainer.models import Model
from services.trainer.registry.card import (
    MOST_MEASURED,
    CardFacts,
    CurvePoint,
    DatasetFacts,
    ExamFacts,
    card,
    sparkline,
)
from services.trainer.registry.cards import exam_facts
from services.trainer.training_config import TrainingConfig
from services.trainer.training_runs import TrainingRun, TrainingSummary
from sishu.inference.v1.exam_pb2 import ArmScore, Exam, ExamArm

NOW = datetime(2024, 1, 1, tzinfo=UTC)
JOB = Job("j", "p", "train", "succeeded", "m", "", NOW, NOW, NOW, 1, 1, 0, 0)
BASE = Model("b", "p", "smol", "base", "org/smol", None, None, "Llama", 9, "bb", "tt", 64, 0, NOW, JOB)
ADAPTER = replace(
    BASE, id="a", name="towns", kind="adapter", source="", base_model_id="b", training_run_id="r", sha256="aa"
)
MERGED = replace(BASE, id="m", name="whole | 整", kind="merged", source="", base_model_id="a", sha256="mm")
RUN = TrainingRun(
    "r",
    "p",
    "towns run",
    "d",
    "dd",
    "b",
    "bb",
    TrainingConfig(lora_rank=4),
    "a",
    "0.1.0+abc",
    TrainingSummary(steps=90, tokens=12_345, published_step=60, device="cpu", precision="fp32"),
    NOW,
    NOW,
    JOB,
    {"versions": {"torch": "2.15"}, "row_counts": {"train": {"rows": 24, "kept": 23}}},
)
CURVE = [CurvePoint(step, 9.0 / step, 5.0 / step if step % 30 == 0 else None) for step in range(1, 91)]
DATA = DatasetFacts("d", 3, "dd", {"train": 24, "exam": 6}, {"import:x": 24})
EXAM = ExamFacts("e", "d", "tuned", 6, 0.83333, 0.7, 0.9)


def parts(text: str) -> tuple[dict[str, object], str]:
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def test_a_card_of_a_merged_model_tells_all_that_it_comes_from() -> None:
    front, body = parts(card(CardFacts(MERGED, [ADAPTER, BASE], RUN, CURVE, DATA, [EXAM])))
    assert front["base_model"] == "org/smol"
    assert front["base_model_relation"] == "merge"
    assert front["library_name"] == "transformers"
    assert front["tags"] == ["sishu", "lora", "sft"]
    index = front["model-index"]
    assert isinstance(index, list)
    assert index[0]["results"][0]["metrics"] == [{"type": "f1", "name": "token F1", "value": 0.8333}]
    for line in (
        "| merged | whole \\| 整 | mm |",
        "| adapter | towns | aa |",
        "| training run | towns run (r) |  |",
        "| dataset version | d | dd (content) |",
        "| base | smol (org/smol) | bb |",
        "| dataset version | 3 (d) |",
        "| examples | exam 6, train 24 |",
        "| rows of train | kept 23, rows 24 |",
        "| lora_rank | 4 |",
        "| torch | 2.15 |",
        "90 steps over 12,345 tokens. Published: step 60.",
        "| e | tuned | 6 | 0.833 | 0.700 to 0.900 |",
    ):
        assert line in body
    rows = [line for line in body.split("| step |")[1].split("\n\n")[0].splitlines() if line[2:3].isdigit()]
    assert len(rows) == MOST_MEASURED
    assert (rows[0], rows[-1]) == ("| 1 | 9.0000 |  |", "| 90 | 0.1000 | 0.0556 |")


def test_what_nobody_knows_is_not_told() -> None:
    local = replace(BASE, source="/models/x")
    front, body = parts(card(CardFacts(replace(ADAPTER, training_run_id=None), [local])))
    assert front == {"library_name": "peft", "pipeline_tag": "text-generation", "tags": ["sishu"]}
    assert "## Data" not in body
    assert "## Exams" not in body


def test_bars_show_from_the_lowest_to_the_highest() -> None:
    assert sparkline([1.0, 4.5, 8.0]) == "▁▅█"
    assert sparkline([2.0, 2.0]) == "▁▁"


def test_only_exams_that_the_model_sat_count() -> None:
    exam = Exam(
        id="e",
        dataset_version_id="d",
        arms=[ExamArm(name="base", model_id="b"), ExamArm(name="tuned", model_id="m")],
        scores=[
            ArmScore(arm="base", items=6, mean=0.1),
            ArmScore(arm="tuned", items=6, mean=0.5, low=0.25, high=0.75),
        ],
    )
    assert exam_facts(exam, "m") == [ExamFacts("e", "d", "tuned", 6, 0.5, 0.25, 0.75)]
    assert exam_facts(exam, "x") == []
