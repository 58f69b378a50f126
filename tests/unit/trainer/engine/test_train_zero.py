"""ZeRO on two CPU processes, held against one process without it. Needs the extra `deepspeed` and g++."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from services.trainer.engine.merging import merge
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.many import read_deepspeed, train_on
from tests.unit.trainer.engine.test_train_many import assert_same, curve
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, write_rows

NOTHING_STAYS = {
    "stage": 3,
    "reduce_bucket_size": "auto",
    "stage3_param_persistence_threshold": 0,
    "stage3_max_live_parameters": 0,
    "stage3_max_reuse_distance": 0,
    "stage3_prefetch_bucket_size": 0,
}
"""A small model would be fetched once and stay; so it is as a large one."""

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("deepspeed") is None, reason="DeepSpeed is not installed"),
    # DeepSpeed's own, and peft's about names that transformers is about to drop.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module", autouse=True)
def _deepspeed() -> None:
    read_deepspeed()


@pytest.mark.parametrize(
    "changes",
    [
        {"deepspeed_stage": 1},
        {"deepspeed_stage": 2},
        {"deepspeed_stage": 3},
        {"deepspeed_stage": 2, "cpu_offload": True},
        {"deepspeed_stage": 3, "cpu_offload": True},
        {"deepspeed_config": json.dumps({"zero_optimization": NOTHING_STAYS})},
    ],
    ids=["1", "2", "3", "2 offloaded", "3 offloaded", "nothing stays"],
)
def test_zero_does_the_steps_of_one_device(
    make_spec: MakeSpec, tmp_path: Path, changes: dict[str, Any]
) -> None:
    held_out = write_rows(
        tmp_path / "held.jsonl", [conversation(f"Town {i}?", "By it. " * i) for i in range(1, 6)]
    )
    common = {"max_steps": 6, "accumulation": 3, "validation_file": held_out, "loraplus_ratio": 2.0}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, **changes)
    assert train_on(both, 2) == [0, 0]
    assert_same(both, alone)
    (started,) = events_of(both, "started")
    (there,) = events_of(alone, "started")
    assert started["strategy"].startswith("zero")
    for name in ("parameter_count", "trainable_parameter_count", "head_at_labels"):
        assert started[name] == there[name]
    norms, wanted = ([event["grad_norm"] for event in events_of(spec, "step")] for spec in (both, alone))
    assert norms == pytest.approx(wanted, rel=1e-3)
    assert events_of(both, "step")[-1]["validation_loss"] == pytest.approx(
        events_of(alone, "step")[-1]["validation_loss"], rel=1e-4
    )


@pytest.mark.parametrize("stage", [2, 3])
def test_zero_goes_on_from_its_checkpoint_and_its_adapter_can_be_merged(
    make_spec: MakeSpec, tmp_path: Path, stage: int
) -> None:
    changes = {"deepspeed_stage": stage, "max_steps": 6, "checkpoint_steps": 3, "keep_checkpoints": 9}
    whole = make_spec(output_dir=tmp_path / "whole", **changes)
    assert train_on(whole, 2) == [0, 0]
    parts = make_spec(output_dir=tmp_path / "parts", **changes)
    kept = "checkpoints/step-00000003"
    shutil.copytree(whole.output_dir / kept, parts.output_dir / kept)
    assert train_on(parts, 2) == [0, 0]
    assert events_of(parts, "resumed")[0]["step"] == 3
    assert curve(parts) == pytest.approx(curve(whole)[3:], rel=1e-5)
    ours, theirs = (
        load_file(spec.output_dir / "adapter/adapter_model.safetensors") for spec in (parts, whole)
    )
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name])
    done = merge(whole.base_model, parts.output_dir / "adapter", tmp_path / "merged", "fp32")
    assert done.logit_error < 1e-4 < done.adapter_effect


def test_a_checkpoint_of_another_division_is_refused(make_spec: MakeSpec) -> None:
    spec = make_spec(max_steps=2, checkpoint_steps=2)
    assert train_on(spec, 1) == [0]
    (spec.output_dir / "events.jsonl").unlink()
    assert train_on(make_spec(max_steps=2, checkpoint_steps=2, deepspeed_stage=2), 2) == [2, 2]
    assert "one copy for all devices" in events_of(spec, "failed")[0]["message"]


def test_bf16_keeps_the_exact_frequencies_of_positions(make_spec: MakeSpec, tmp_path: Path) -> None:
    long = write_rows(tmp_path / "long.jsonl", [conversation("Where?", "By the river Amber. " * 40)] * 4)
    common = {"train_file": long, "precision": "bf16", "max_steps": 3, "batch_tokens": 1024}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    for stage in (2, 3):
        both = make_spec(output_dir=tmp_path / f"zero{stage}", **common, deepspeed_stage=stage)
        assert train_on(both, 2) == [0, 0]
        assert curve(both)[0] == pytest.approx(curve(alone)[0], rel=2e-3)
