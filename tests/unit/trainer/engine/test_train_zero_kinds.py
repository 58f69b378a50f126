"""Everything that the engine trains, by ZeRO on two CPU processes, held against one process without it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from services.trainer.engine import loop, model
from services.trainer.engine.parallel import place, zero, zero_config
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.many import read_deepspeed, train_on
from tests.unit.trainer.engine.test_train_many import assert_same, curve
from tests.unit.trainer.engine.test_train_methods import weights_of
from tests.unit.trainer.engine.test_train_zero import NOTHING_STAYS
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, events_of, write_rows

CPU = torch.device("cpu")
NOTHING: dict[str, Any] = {"deepspeed_config": json.dumps({"zero_optimization": NOTHING_STAYS})}
NEEDS_BITS = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)

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


def assert_same_model(spec: TrainSpec, other: TrainSpec, off: float = 1e-3) -> None:
    ours, theirs = weights_of(spec.output_dir / "model"), weights_of(other.output_dir / "model")
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        assert weight.dtype == theirs[name].dtype
        assert (weight - theirs[name]).norm() <= off * theirs[name].norm(), name


def tied(base_model: Path, folder: Path) -> Path:
    """The same model with the embeddings as its head."""
    shutil.copytree(base_model, folder)
    network = AutoModelForCausalLM.from_pretrained(base_model, tie_word_embeddings=True)
    network.tie_weights()
    network.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "full", "deepspeed_stage": 2},
        {"method": "full", "deepspeed_stage": 3, "cpu_offload": True, "gradient_checkpointing": True},
        {"method": "full", "tied": True, **NOTHING},
        {"method": "freeze", "freeze_layers": 1, "freeze_extra_modules": ("norm",), "deepspeed_stage": 2},
        {"method": "freeze", "freeze_layers": 1, "freeze_extra_modules": ("lm_head",), **NOTHING},
    ],
    ids=[
        "full 2",
        "full 3 offloaded",
        "full, head and embeddings tied, nothing stays",
        "freeze 2",
        "freeze, nothing stays",
    ],
)
def test_the_base_itself_learns_as_on_one_device_and_goes_on_from_a_checkpoint(
    make_spec: MakeSpec, base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    if changes.get("tied"):
        changes = {name: value for name, value in changes.items() if name != "tied"}
        changes["base_model"] = tied(base_model, tmp_path / "tied")
    held_out = write_rows(
        tmp_path / "held.jsonl", [conversation(f"Town {i}?", "By it. " * i) for i in range(1, 6)]
    )
    common = {
        "max_steps": 6,
        "accumulation": 3,
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "validation_file": held_out,
        "validation_steps": 3,
        "checkpoint_steps": 3,
        "keep_checkpoints": 9,
        "logits_positions": 16,
        **changes,
    }
    divided = ("deepspeed_stage", "deepspeed_config", "cpu_offload")
    alone = make_spec(
        output_dir=tmp_path / "alone", **{name: common[name] for name in common if name not in divided}
    )
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common)
    assert train_on(both, 2) == [0, 0]
    assert curve(both) == pytest.approx(curve(alone), rel=1e-4)
    assert_same_model(both, alone)
    for name in ("parameter_count", "trainable_parameter_count", "head_at_labels"):
        assert events_of(both, "started")[0][name] == events_of(alone, "started")[0][name]
    parts = make_spec(output_dir=tmp_path / "parts", **common)
    kept = "checkpoints/step-00000003"
    shutil.copytree(both.output_dir / kept, parts.output_dir / kept)
    assert train_on(parts, 2) == [0, 0]
    assert events_of(parts, "resumed")[0]["step"] == 3
    assert curve(parts) == pytest.approx(curve(both)[3:], rel=1e-5)
    assert_same_model(parts, both, off=1e-5)


@pytest.mark.parametrize("stage", [2, 3])
def test_the_best_step_is_given_though_later_ones_were_worse(
    make_spec: MakeSpec, tmp_path: Path, stage: int
) -> None:
    held_out = write_rows(tmp_path / "held.jsonl", [conversation("Where is town 3?", "High in the snow.")])
    spec = make_spec(
        method="full",
        validation_file=held_out,
        validation_steps=1,
        checkpoint_steps=0,
        max_steps=8,
        schedule="constant",
        deepspeed_stage=stage,
    )
    assert train_on(spec, 2) == [0, 0]
    (finished,) = events_of(spec, "finished")
    measured = {event["step"]: event["validation_loss"] for event in events_of(spec, "step")}
    assert finished["published_step"] == min(measured, key=lambda step: measured[step]) < 8
    given = model.load_model(make_spec(base_model=spec.output_dir / "model", method="full"), CPU, "fp32")
    assert len(given.learned) == len(weights_of(spec.base_model))


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    [
        ("sgd", {"deepspeed_stage": 2}),
        ("rmsprop", {"deepspeed_stage": 2}),
        ("adagrad", {"deepspeed_stage": 2}),
        ("adagrad", {"deepspeed_stage": 3, "cpu_offload": True}),
        pytest.param("adamw_8bit", {"deepspeed_stage": 2}, marks=NEEDS_BITS),
    ],
)
def test_other_optimizers_do_their_steps(
    make_spec: MakeSpec, tmp_path: Path, optimizer: str, changes: dict[str, Any]
) -> None:
    common: dict[str, Any] = {"method": "full", "optimizer": optimizer, "weight_decay": 0.1, "max_steps": 4}
    common |= {"learning_rate": 1e-3, "checkpoint_steps": 2, "keep_checkpoints": 9}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, **changes)
    assert train_on(both, 2) == [0, 0]
    # Eight bits are rounded in blocks, which lie otherwise in pieces.
    is_rounded = optimizer == "adamw_8bit"
    assert curve(both) == pytest.approx(curve(alone), rel=1e-2 if is_rounded else 1e-4)
    assert_same_model(both, alone, off=2e-2 if is_rounded else 1e-3)
    parts = make_spec(output_dir=tmp_path / "parts", **common, **changes)
    kept = "checkpoints/step-00000002"
    shutil.copytree(both.output_dir / kept, parts.output_dir / kept)
    assert train_on(parts, 2) == [0, 0]
    assert curve(parts) == pytest.approx(curve(both)[2:], rel=1e-5)


@pytest.mark.parametrize("changes", [{"deepspeed_stage": 2}, NOTHING], ids=["2", "nothing stays"])
def test_pissa_begins_before_weights_are_divided(
    make_spec: MakeSpec, tmp_path: Path, changes: dict[str, Any]
) -> None:
    common = {"lora_init": "pissa", "lora_rank": 4, "max_steps": 4, "learning_rate": 1e-3}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, **changes)
    assert train_on(both, 2) == [0, 0]
    assert_same(both, alone)
    begun, wanted = (load_file(spec.output_dir / "pissa.safetensors") for spec in (both, alone))
    for name, weight in begun.items():
        torch.testing.assert_close(weight, wanted[name])


@NEEDS_BITS
def test_a_base_in_four_bits_goes_with_stage_2(make_spec: MakeSpec, tmp_path: Path) -> None:
    common = {"quantization_bits": 4, "max_steps": 4, "learning_rate": 1e-3}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, deepspeed_stage=2)
    assert train_on(both, 2) == [0, 0]
    assert_same(both, alone)


def test_activations_are_computed_again_of_weights_that_have_gone_meanwhile(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    common = {"max_steps": 3, "gradient_checkpointing": True}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, **NOTHING)
    assert train_on(both, 2) == [0, 0]
    assert_same(both, alone)


@pytest.mark.parametrize(
    "changes",
    [
        {"deepspeed_stage": 1},
        {"deepspeed_stage": 2, "cpu_offload": True},
        {"deepspeed_stage": 3},
        {"deepspeed_stage": 3, "cpu_offload": True},
    ],
    ids=["1", "2 offloaded", "3", "3 offloaded"],
)
@pytest.mark.parametrize("spoilt", ["loss", "gradient"])
def test_a_run_goes_back_as_on_one_device(
    make_spec: MakeSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    spoilt: str,
) -> None:
    monkeypatch.setattr(loop, "_gather", _spoil_once(spoilt, tmp_path))
    common: dict[str, Any] = {"method": "full", "bad_step": "rollback", "max_steps": 6, "checkpoint_steps": 2}
    common |= {"learning_rate": 1e-3, "accumulation": 2}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    both = make_spec(output_dir=tmp_path / "both", **common, **changes)
    assert train_on(both, 2) == [0, 0]
    for spec in (alone, both):
        (back,) = events_of(spec, "rolled_back")
        assert (back["failed_step"], back["step"], back["rate_factor"]) == (4, 2, 0.5)
    assert curve(both) == pytest.approx(curve(alone), rel=1e-4)
    assert_same_model(both, alone)


def _spoil_once(spoilt: str, folder: Path) -> Any:
    """Let the loss or the gradient of step 4 be no number on its first trial, on each process of each run."""
    gather = loop._gather

    def spoiling(run: Any, micro: Any, weight: int) -> Any:
        mark = folder / f"spoilt {run.spec.output_dir.name} {place.rank()}"
        if run.totals.step != 3 or mark.exists():
            return gather(run, micro, weight)
        mark.touch()
        if spoilt == "loss":
            found = gather(run, micro, weight)
            found.loss += float("nan")
            return found
        handle = run.model.learned[0].register_hook(lambda gradient: gradient * float("nan"))
        try:
            return gather(run, micro, weight)
        finally:
            handle.remove()

    return spoiling


def test_fp16_does_a_step_again_that_overflowed(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No CPU is allowed it: what a device would do is done here slowly.
    from deepspeed.accelerator import cpu_accelerator

    monkeypatch.setattr(model, "choose_device", lambda _: (CPU, "fp16"))
    monkeypatch.setattr(cpu_accelerator.CPU_Accelerator, "is_fp16_supported", lambda _: True)
    # So much that a gradient leaves the range at once.
    monkeypatch.setitem(zero_config._LOSS_SCALE, "initial_scale_power", 24)
    monkeypatch.setattr(zero.Zero, "overflowed", _telling(zero.Zero.overflowed, tmp_path / "overflowed"))
    common = {"max_steps": 4, "learning_rate": 1e-3}
    alone = make_spec(output_dir=tmp_path / "alone", **common)
    assert run(alone, StopSignal()) == 0
    for stage in (2, 3):
        both = make_spec(output_dir=tmp_path / f"zero{stage}", **common, deepspeed_stage=stage)
        assert train_on(both, 2) == [0, 0]
        assert [event["step"] for event in events_of(both, "step")] == [1, 2, 3, 4]
        assert curve(both) == pytest.approx(curve(alone), rel=5e-3)
        (tmp_path / "overflowed").unlink()


def _telling(overflowed: Any, mark: Path) -> Any:
    def telling(strategy: Any, loss: torch.Tensor) -> bool:
        found = bool(overflowed(strategy, loss))
        if found:
            mark.touch()
        return found

    return telling
