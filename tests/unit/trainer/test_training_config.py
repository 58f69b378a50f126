from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.runtime.errors import InvalidArgument
from services.trainer.convert import config_to_pb, summary_to_pb, training_config
from services.trainer.engine.spec import load_spec
from services.trainer.training_config import (
    NOT_OF_ENGINE,
    Place,
    TrainingConfig,
    resolve,
    spec_of,
    write_spec,
)
from services.trainer.training_runs import TrainingSummary
from sishu.trainer.v1 import training_config_pb2 as pb


def place_in(folder: Path) -> Place:
    base, rows = folder / "base", folder / "train.jsonl"
    base.mkdir()
    (base / "config.json").write_text("{}")
    rows.write_text("")
    return Place(folder, base, rows, "cpu", 2)


def test_an_empty_config_shows_every_default() -> None:
    assert training_config(pb.TrainingConfig()) == TrainingConfig(
        epochs=3.0,
        max_steps=0,
        learning_rate=1e-3,
        schedule="cosine",
        warmup_ratio=0.05,
        warmup_steps=0,
        weight_decay=0.0,
        max_grad_norm=1.0,
        lora_rank=16,
        lora_alpha=32,
        lora_dropout=0.0,
        lora_targets=(),
        batch_tokens=1024,
        accumulation=1,
        step_rows=0,
        cutoff_length=2048,
        precision="auto",
        seed=42,
        max_rows=0,
        checkpoint_steps=50,
        gradient_checkpointing=False,
        validation_steps=0,
        early_stop_patience=0,
        early_stop_margin=0.0,
        publish="best",
        objective="sft",
        beta=0.1,
        simpo_gamma=0.5,
        label_smoothing=0.0,
        sft_weight=0.0,
        desirable_weight=1.0,
        undesirable_weight=1.0,
        use_rslora=False,
        use_dora=False,
        loraplus_ratio=1.0,
        method="lora",
        freeze_layers=2,
        freeze_modules=(),
        freeze_extra_modules=(),
        optimizer="adamw",
        schedule_cycles=1,
        schedule_power=1.0,
        min_rate_ratio=0.0,
        decay_ratio=0.1,
        plateau_patience=10,
        neftune_alpha=0.0,
        quantization_bits=0,
        lora_init="default",
        devices=1,
        deepspeed_stage=0,
        cpu_offload=False,
        deepspeed_config="",
        reasoning="auto",
        system_prompt="",
        train_on_prompt=False,
        mask_history=False,
        truncation="split_turns",
        packing="auto",
        attention="auto",
        logits_positions=2048,
        bad_step="stop",
        rollback_limit=5,
        rollback_rate=0.5,
    )


def test_a_zero_that_was_said_is_not_a_default() -> None:
    given = pb.TrainingConfig(
        warmup_ratio=0.0, seed=0, max_grad_norm=0.0, checkpoint_steps=0, gradient_checkpointing=False
    )
    config = training_config(given)
    assert (config.warmup_ratio, config.seed, config.max_grad_norm, config.checkpoint_steps) == (
        0.0,
        0,
        0.0,
        0,
    )
    shown = config_to_pb(config)
    assert (shown.HasField("checkpoint_steps"), shown.HasField("gradient_checkpointing")) == (True, True)


def test_a_run_without_a_step_has_no_loss_and_no_speed() -> None:
    fields = ("loss_first", "loss_last", "tokens_per_second")
    fresh = summary_to_pb(TrainingSummary(), "")
    assert [name for name in fields if fresh.HasField(name)] == []  # type: ignore[arg-type]
    begun = summary_to_pb(TrainingSummary(loss_first=0.0, loss_last=0.0, tokens_per_second=0.0), "")
    assert [name for name in fields if begun.HasField(name)] == list(fields)  # type: ignore[arg-type]


def test_alpha_is_twice_the_rank_unless_it_is_given() -> None:
    assert resolve({"lora_rank": 4}).lora_alpha == 8
    assert resolve({"lora_rank": 4, "lora_alpha": 4}).lora_alpha == 4


def test_preferences_have_their_own_usual_rate_and_scale() -> None:
    assert (resolve({"objective": "dpo"}).learning_rate, resolve({"objective": "dpo"}).beta) == (5e-5, 0.1)
    assert (resolve({"objective": "simpo"}).learning_rate, resolve({"objective": "simpo"}).beta) == (
        5e-5,
        2.0,
    )
    given = resolve({"objective": "simpo", "beta": 3.0, "learning_rate": 1e-4})
    assert (given.learning_rate, given.beta) == (1e-4, 3.0)


def test_a_resolved_config_comes_back_from_the_database_and_through_the_contract() -> None:
    config = training_config(pb.TrainingConfig(lora_targets=["q_proj", "v_proj"], max_steps=7))
    assert training_config(config_to_pb(config)) == config
    frozen = pb.TrainingConfig(method="freeze", freeze_layers=0, freeze_extra_modules=["norm"])
    config = training_config(frozen)
    assert (config.freeze_layers, config.freeze_extra_modules) == (0, ("norm",))
    assert TrainingConfig.of_json(json.loads(json.dumps(config.as_json()))) == config
    assert training_config(config_to_pb(config)) == config


@pytest.mark.parametrize(
    ("settings", "rate"),
    [
        ({}, 1e-3),
        ({"objective": "cpt"}, 1e-4),
        ({"method": "full"}, 2e-5),
        ({"method": "freeze", "objective": "dpo"}, 5e-6),
    ],
)
def test_the_usual_rate_follows_from_what_learns_what(settings: dict[str, object], rate: float) -> None:
    assert resolve(settings).learning_rate == rate


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"method": "full", "quantization_bits": 4}, "quantization_bits"),
        ({"method": "freeze", "use_dora": True}, "use_dora"),
        ({"freeze_modules": ("mlp",)}, "freeze_modules"),
        ({"schedule": "linear", "min_rate_ratio": 0.5}, "min_rate_ratio"),
        ({"lora_init": "pissa", "use_rslora": True}, "use_rslora"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(settings)
    assert caught.value.field == f"training_run.config.{field}"


def test_a_schedule_with_a_least_rate_has_a_usual_one() -> None:
    assert resolve({"schedule": "cosine_with_min_lr"}).min_rate_ratio == 0.1
    assert resolve({"schedule": "polynomial"}).min_rate_ratio == 0.0


def test_what_needs_validation_rows_is_known() -> None:
    assert resolve({}).measured_for == ""
    assert resolve({"early_stop_patience": 3}).measured_for == "early_stop_patience"
    assert resolve({"schedule": "greedy"}).measured_for == "schedule"


@pytest.mark.parametrize(
    ("name", "value"), [("warmup_ratio", 0.95), ("seed", 2**31), ("seed", -1), ("cutoff_length", 7)]
)
def test_a_value_out_of_the_engines_range_is_refused_with_its_field(name: str, value: float) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        resolve({name: value})
    assert caught.value.field == f"training_run.config.{name}"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"cpu_offload": True}, "cpu_offload"),
        ({"deepspeed_stage": 3, "use_dora": True}, "use_dora"),
        ({"deepspeed_config": "/etc/hostname"}, "deepspeed_config"),
        ({"deepspeed_config": "{]"}, "deepspeed_config"),
        (
            {"deepspeed_config": '{"zero_optimization": {"stage": 3}}', "deepspeed_stage": 2},
            "deepspeed_stage",
        ),
        ({"devices": 2000}, "devices"),
    ],
)
def test_a_division_that_cannot_be_is_refused_with_its_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resolve(given)
    assert caught.value.field == f"training_run.config.{field}"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"train_on_prompt": True, "mask_history": True}, "train_on_prompt"),
        ({"mask_history": True, "objective": "dpo"}, "mask_history"),
        ({"train_on_prompt": True, "objective": "kto"}, "train_on_prompt"),
    ],
)
def test_what_is_learned_of_a_row_may_not_contradict_itself(given: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument, match=field) as caught:
        resolve(given)
    assert caught.value.field == f"training_run.config.{field}"


def test_the_engine_reads_the_spec_that_is_written(tmp_path: Path) -> None:
    config = resolve({"lora_targets": ("q_proj",), "epochs": 1.5, "gradient_checkpointing": True})
    place = place_in(tmp_path)
    write_spec(tmp_path / "spec.json", spec_of("run-1", config, "tiny", place))
    spec = load_spec(tmp_path / "spec.json")
    assert (spec.run_id, spec.base_name, spec.output_dir) == ("run-1", "tiny", tmp_path)
    assert (spec.lora_targets, spec.device, spec.threads) == (("q_proj",), "cpu", 2)
    others = {"lora_targets", *NOT_OF_ENGINE}
    given = {name: getattr(spec, name) for name in config.as_json() if name not in others}
    wanted = {name: value for name, value in config.as_json().items() if name not in others}
    assert given == {name: tuple(each) if isinstance(each, list) else each for name, each in wanted.items()}


def test_no_targets_mean_every_linear_layer(tmp_path: Path) -> None:
    write_spec(tmp_path / "spec.json", spec_of("run-1", resolve({}), "tiny", place_in(tmp_path)))
    assert load_spec(tmp_path / "spec.json").lora_targets == "all-linear"
    assert [path.name for path in tmp_path.glob(".*")] == []
