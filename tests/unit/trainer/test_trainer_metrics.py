from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from services.trainer.metrics import TrainerMetrics
from services.trainer.node.device_metrics import DeviceMetrics
from services.trainer.node.peaks import peak_flops
from services.trainer.node.programs import Programs
from services.trainer.node.sampler import Sampler
from services.trainer.training_config import TrainingConfig
from tests.unit.trainer.test_following import RUN

ROOT = Path(__file__).parents[3]
STARTED: dict[str, Any] = {"type": "started", "steps_total": 12, "device_name": "K100_AI"}
STEP: dict[str, Any] = {
    "type": "step",
    "time": 1704067200.0,
    "step": 3,
    "epoch": 0.5,
    "loss": 2.5,
    "learning_rate": 1e-3,
    "grad_norm": 0.7,
    "tokens": 100,
    "supervised_tokens": 40,
    "padded_tokens": 120,
    "seconds": 0.5,
    "peak_memory_bytes": 1 << 30,
    "data_wait_seconds": 0.05,
    "model_flops": 49e12,
    "hardware_flops": 98e12,
    "memory": {"allocated": 10, "reserved": 20, "total": 30},
}
ON_TWO = replace(RUN, config=TrainingConfig(devices=2))


@dataclass
class Scene:
    registry: CollectorRegistry
    metrics: TrainerMetrics
    now: float = 0.0

    def value(self, what: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(f"sishu_trainer_{what}", labels)


@pytest.fixture
def scene() -> Scene:
    registry = CollectorRegistry()
    made: Scene = Scene(registry, TrainerMetrics(registry, clock=lambda: made.now))
    return made


def test_a_step_moves_counters_and_gauges(scene: Scene) -> None:
    scene.metrics.began(RUN)
    scene.metrics.observe(RUN, [STEP, STEP])
    assert scene.value("tokens_total", kind="real") == 200
    assert scene.value("tokens_total", kind="supervised") == 80
    assert scene.value("tokens_total", kind="padded") == 240
    assert scene.value("step_seconds_count") == 2
    assert scene.value("data_wait_seconds_total") == 0.1
    assert scene.value("flops_total", kind="model") == 98e12
    assert scene.value("flops_total", kind="hardware") == 196e12
    wanted = {
        "steps": 3,
        "epoch": 0.5,
        "loss": 2.5,
        "learning_rate": 1e-3,
        "grad_norm": 0.7,
        "tokens_per_second": 200,
        "device_tokens_per_second": 200,
        "data_wait_ratio": 0.1,
        "peak_memory_bytes": 1 << 30,
        "memory_allocated_bytes": 10,
        "memory_reserved_bytes": 20,
        "memory_total_bytes": 30,
        "last_step_timestamp_seconds": 1704067200,
    }
    assert {what: scene.value(what, run="r") for what in wanted} == wanted
    assert scene.value("run_info", run="r", name="towns") == 1
    assert scene.value("run_state", run="r", state="running") == 1


def test_utilization_is_by_the_peak_of_all_devices(scene: Scene) -> None:
    scene.metrics.observe(ON_TWO, [STARTED, STEP])
    assert scene.value("planned_steps", run="r") == 12
    assert scene.value("device_tokens_per_second", run="r") == 100
    # 49e12 operations in half a second on two cards of 196e12 a second.
    assert scene.value("mfu_ratio", run="r") == pytest.approx(0.25)
    assert scene.value("hfu_ratio", run="r") == pytest.approx(0.5)


def test_where_the_peak_is_not_known_there_is_no_utilization_unless_it_is_given(scene: Scene) -> None:
    scene.metrics.observe(RUN, [{**STARTED, "device_name": "cpu"}, STEP])
    assert scene.value("mfu_ratio", run="r") is None
    registry = CollectorRegistry()
    TrainerMetrics(registry, peak=980e12).observe(RUN, [{**STARTED, "device_name": "cpu"}, STEP])
    assert registry.get_sample_value("sishu_trainer_mfu_ratio", {"run": "r"}) == pytest.approx(0.1)


def test_an_older_engine_says_less(scene: Scene) -> None:
    older = {
        name: value
        for name, value in STEP.items()
        if name not in {"memory", "model_flops", "data_wait_seconds"}
    }
    scene.metrics.observe(RUN, [older])
    assert scene.value("data_wait_ratio", run="r") is None
    assert scene.value("loss", run="r") == 2.5


def test_a_checkpoint_has_an_age_and_a_duration(scene: Scene) -> None:
    scene.metrics.observe(RUN, [{"type": "checkpoint", "time": 5.0, "step": 3, "seconds": 1.5}])
    assert scene.value("last_checkpoint_timestamp_seconds", run="r") == 5
    assert scene.value("checkpoint_seconds", run="r") == 1.5


def test_a_run_that_ended_shows_no_rate_and_goes_in_time(scene: Scene) -> None:
    scene.metrics.began(RUN)
    scene.metrics.observe(RUN, [STEP])
    scene.metrics.ended("r", "failed")
    assert scene.value("tokens_per_second", run="r") == 0
    assert scene.value("memory_allocated_bytes", run="r") == 0
    assert scene.value("loss", run="r") == 2.5
    assert scene.value("run_state", run="r", state="failed") == 1
    assert scene.value("run_state", run="r", state="running") == 0
    scene.now = 601
    assert not [line for line in generate_latest(scene.registry).decode().splitlines() if 'run="r"' in line]
    assert scene.value("tokens_total", kind="real") == 100


def test_a_run_that_is_tried_again_begins_anew(scene: Scene) -> None:
    scene.metrics.began(RUN)
    scene.metrics.observe(RUN, [STEP])
    scene.metrics.ended("r", "pending")
    scene.metrics.began(RUN)
    assert scene.value("loss", run="r") is None
    scene.now = 10_000
    assert scene.value("run_state", run="r", state="running") == 1


def test_series_do_not_grow_with_the_runs_that_were(scene: Scene) -> None:
    for number in range(500):
        run = replace(RUN, id=f"run-{number}")
        scene.metrics.began(run)
        scene.metrics.observe(run, [STARTED, STEP])
        scene.metrics.ended(run.id, "succeeded")
        scene.now += 60
    runs = set(re.findall(r'run="(run-\d+)"', generate_latest(scene.registry).decode()))
    assert 5 < len(runs) <= 11


def test_what_waits_and_what_is_stored_is_counted(scene: Scene) -> None:
    scene.metrics.counted({"pending": 3, "succeeded": 8})
    assert (scene.value("queued_runs"), scene.value("runs", state="pending")) == (3, 3)
    assert scene.value("runs", state="failed") == 0
    scene.metrics.stored("model", 10)
    scene.metrics.stored("model", 5)
    assert scene.value("uploaded_bytes_total", kind="model") == 15


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("K100_AI", 196e12),
        ("K100-AI", 196e12),
        ("K100", 100e12),
        ("BW1000", 480e12),
        ("NVIDIA H100 80GB HBM3", 989.4e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H20", 148e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("cpu", 0),
        ("", 0),
    ],
)
def test_peaks_are_found_by_the_drivers_name(name: str, peak: float) -> None:
    assert peak_flops(name) == peak


def test_the_documented_table_is_the_registry(scene: Scene) -> None:
    scene.registry.register(DeviceMetrics("a-node", Sampler(5, Programs(5))))
    metrics = [family for family in scene.registry.collect() if not family.name.endswith("_created")]
    known = {f"{one.name}_total" if one.type == "counter" else one.name: one for one in metrics}
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = text[text.index("## Metrics") :].partition("\n## ")[0]
    rows = re.findall(r"^\| `(sishu_trainer_\w+)(?:\{([\w, ]+)\})?` \| (\w+) \|", table, re.MULTILINE)
    assert [name for name, _, _ in rows] == sorted({name for name, _, _ in rows})
    assert {name for name, _, _ in rows} == set(known)
    assert {name: kind for name, _, kind in rows} == {name: one.type for name, one in known.items()}
