"""What is told of a training: verdict, speed, disk, advice; and when it is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from services.runtime.errors import FailedPrecondition, InvalidArgument
from services.trainer.estimate_convert import estimate_to_pb
from services.trainer.estimating.accelerators import ACCELERATORS, find_accelerator
from services.trainer.estimating.advice import REFUSE_SHARE, fits
from services.trainer.estimating.estimates import DOES_NOT_FIT, FITS, TIGHT, Estimate, Hardware
from services.trainer.estimating.named_models import named_model
from services.trainer.estimating.trainings import Rows
from services.trainer.preflight import accelerator_of, architecture_of, check, estimated, rows_in
from services.trainer.training_config import TrainingConfig
from sishu.trainer.v1 import training_estimate_pb2 as pb

GB = 1e9
ROWS = Rows(longest_tokens=1024, mean_tokens=300, count=900)


def ask(model: str, device: str, *, free: float = 0, disk: float = 0, **config: Any) -> Estimate:
    shape = named_model(model)
    assert shape is not None
    hardware = Hardware(find_accelerator(device), free, disk)
    return estimated(TrainingConfig(**config), shape, hardware, ROWS)


def test_the_verdict_has_two_thresholds() -> None:
    needed = ask("qwen2.5-7b", "A100").needed
    for share, verdict in ((0.79, FITS), (0.85, TIGHT), (0.95, DOES_NOT_FIT)):
        # With ZeRO the engine takes the micro-batches that it is told.
        needed = ask("qwen2.5-7b", "A100", devices=2, deepspeed_stage=2).needed
        assert ask("qwen2.5-7b", "A100", free=needed / share, devices=2, deepspeed_stage=2).verdict == verdict


def test_micro_batches_are_as_the_engine_fits_them() -> None:
    large = ask("qwen2.5-7b", "H200", step_rows=256)
    small = ask("qwen2.5-7b", "A100", step_rows=256, free=24 * GB)
    assert large.work.micro_tokens == 16_384
    assert 1024 <= small.work.micro_tokens < large.work.micro_tokens
    assert small.memory.total <= REFUSE_SHARE * 24 * GB
    tight = ask("qwen2.5-7b", "A100", step_rows=256, free=19 * GB)
    assert tight.work.recompute


def test_a_run_that_does_not_fit_is_refused_with_its_parts_and_what_would_fit() -> None:
    found = ask("qwen2.5-32b", "K100-AI", devices=8)
    assert found.verdict == DOES_NOT_FIT
    with pytest.raises(FailedPrecondition) as refused:
        check(found)
    error = refused.value
    assert error.reason == "MEMORY_SHORT"
    assert "weights 65.8 GB" in error.message
    assert "deepspeed_stage 3" in error.message
    assert json.loads(error.metadata["nearest"])["deepspeed_stage"] == 3
    parts = [float(error.metadata[f"{name}_bytes"]) for name in asdict(found.memory)]
    assert sum(parts) == pytest.approx(float(error.metadata["needed_bytes"]), abs=20)


@pytest.mark.parametrize(
    ("model", "device", "free", "config"),
    [
        ("qwen2.5-32b", "K100-AI", 0, {"devices": 8}),
        ("qwen2.5-7b", "4090", 0, {"method": "full"}),
        ("qwen2.5-7b", "4090", 14 * GB, {}),
        ("qwen2.5-7b", "A100", 12 * GB, {"devices": 4, "deepspeed_stage": 2, "batch_tokens": 8192}),
        ("smollm2-135m", "CPU", 1.6 * GB, {"batch_tokens": 8192}),
    ],
)
def test_the_nearest_setting_fits_when_it_is_asked_for(
    model: str, device: str, free: float, config: dict[str, Any]
) -> None:
    found = ask(model, device, free=free, **config)
    assert found.verdict == DOES_NOT_FIT
    assert found.nearest is not None
    assert found.nearest.changes
    changed = {each.field: each.value for each in found.nearest.changes}
    again = ask(model, device, free=free, **{**config, **changed})
    assert again.verdict != DOES_NOT_FIT, changed


def test_where_nothing_helps_no_setting_is_named() -> None:
    found = ask("llama-3.1-70b", "4090")
    assert found.verdict == DOES_NOT_FIT
    assert found.nearest is None
    with pytest.raises(FailedPrecondition, match="smaller model, more devices or larger ones"):
        check(found)


def test_the_fastest_setting_is_no_slower_learns_the_same_and_fits() -> None:
    wanted = ask("qwen2.5-7b", "K100-AI", devices=8, deepspeed_stage=3, batch_tokens=1024, accumulation=64)
    assert wanted.fastest is not None
    assert wanted.fastest_speed is not None
    changed: dict[str, Any] = {each.field: each.value for each in wanted.fastest.changes}
    # A model that a card holds whole need not be fetched layer by layer.
    assert changed["deepspeed_stage"] == 0
    assert wanted.fastest_speed.tokens_per_second > 3 * wanted.speed.tokens_per_second
    assert fits(wanted.fastest.work, wanted.hardware.free)
    assert wanted.fastest_speed.step_tokens == wanted.speed.step_tokens


def test_a_larger_micro_batch_comes_with_fewer_of_them() -> None:
    found = ask("qwen2.5-32b", "K100-AI", devices=8, deepspeed_stage=3, accumulation=128)
    assert found.fastest is not None
    changed: dict[str, Any] = {each.field: each.value for each in found.fastest.changes}
    assert changed["batch_tokens"] * changed["accumulation"] == pytest.approx(128 * 1024, rel=0.05)


def test_speed_is_a_roofline_with_named_utilizations() -> None:
    found = ask("qwen2.5-7b", "A100", gradient_checkpointing=True, step_rows=64)
    n = found.work.architecture.multiplied
    assert found.model_flops == 4 * n
    assert found.hardware_flops == 6 * n
    assert found.speed.hfu == pytest.approx(0.5)
    assert found.speed.mfu == pytest.approx(0.5 * 4 / 6)
    assert ask("qwen2.5-7b", "A100", method="full").model_flops == 6 * n
    assert found.steps == 45
    assert found.seconds == pytest.approx(45 * found.speed.step_seconds)


def test_measured_rates_take_the_place_of_the_tables() -> None:
    shape = named_model("qwen2.5-7b")
    assert shape is not None
    config = TrainingConfig(gradient_checkpointing=True)
    hardware = Hardware(find_accelerator("A100"), products_rate=0.25 * 312e12)
    assert estimated(config, shape, hardware, ROWS).speed.hfu == pytest.approx(0.25)


def test_the_disk_holds_checkpoints_and_the_model() -> None:
    found = ask("qwen2.5-7b", "A100", method="full", disk=100 * GB)
    assert found.disk.model == 2 * 7_615_616_512
    assert found.disk.checkpoints == 4 * 12 * 7_615_616_512
    assert found.disk_is_short
    fitting = replace(found, hardware=replace(found.hardware, free_bytes=1e12))
    with pytest.raises(FailedPrecondition) as refused:
        check(fitting)
    assert refused.value.reason == "DISK_SHORT"


def test_devices_are_found_by_their_drivers_names() -> None:
    names = {
        "K100_AI": "K100-AI",
        "k100": "K100",
        "BW": "BW1000",
        "NVIDIA A100-SXM4-80GB": "A100-80G",
        "NVIDIA H100 80GB HBM3": "H100",
        "NVIDIA GeForce RTX 4090": "RTX-4090",
        "cpu": "CPU",
    }
    assert {name: find_accelerator(name).name for name in names} == names
    with pytest.raises(InvalidArgument, match="K100-AI"):
        accelerator_of("TPU")


def test_every_number_of_the_table_has_a_source() -> None:
    for each in ACCELERATORS:
        assert {"memory", "peak"} <= each.sources.keys(), each.name


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"qwen2\.5-7b"):
        architecture_of(None, "nope")
    with pytest.raises(InvalidArgument, match="does not say its shape"):
        architecture_of({})


def test_rows_are_sized_by_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("a" * 99 + "\n" + "b" * 199 + "\n", encoding="utf-8")
    assert rows_in(path) == Rows(100, 37.5, 2)


def test_an_estimate_is_told_whole() -> None:
    found = ask("qwen2.5-32b", "K100-AI", devices=8)
    told = estimate_to_pb(found)
    assert told.fit == pb.TRAINING_FIT_DOES_NOT_FIT
    assert told.needed_bytes == round(found.needed)
    parts = sum(getattr(told.memory, each.name) for each in told.memory.DESCRIPTOR.fields)
    assert parts == pytest.approx(told.needed_bytes, abs=20)
    assert {each.field for each in told.nearest} >= {"deepspeed_stage"}
    assert [each.reason for each in told.warnings] == ["RATE_ASSUMED"]
    assert "50%" in told.warnings[0].message
