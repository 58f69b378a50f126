"""Presets follow from their tables, and the fast one from the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.runtime.errors import InvalidArgument
from services.trainer.convert import training_config
from services.trainer.engine import memory
from services.trainer.estimating.accelerators import find_accelerator
from services.trainer.estimating.advice import WARN_SHARE, fastest
from services.trainer.estimating.estimates import rates_of
from services.trainer.estimating.memory import memory_of
from services.trainer.estimating.speed import gather_seconds, hardware_flops, speed_of
from services.trainer.estimating.trainings import LARGEST_MICRO_BATCH
from services.trainer.llama_factory.saying import FIELDS
from services.trainer.llama_factory.translation import translate
from services.trainer.presets import PRESETS, ROWS, STEP_ROWS, preset_fields
from services.trainer.translation_convert import preset_to_pb
from sishu.trainer.v1.training_config_pb2 import TrainingConfig

SLOW, FAST = PRESETS["dcu-k100ai-32b"], PRESETS["dcu-k100ai-32b-fast"]
TABLE = """stage: sft
finetuning_type: lora
lora_rank: 16
lora_alpha: 32
lora_target: all
cutoff_len: 2048
num_train_epochs: 3.0
learning_rate: 5.0e-5
lr_scheduler_type: cosine
per_device_train_batch_size: 1
gradient_accumulation_steps: 32
bf16: true
gradient_checkpointing: true
deepspeed: ds_z3_config.json
"""


WORK = FAST.estimate.work
RATES = rates_of(FAST.estimate.hardware, training_config(TrainingConfig(), "dcu-k100ai-32b"))
STEP_TOKENS = STEP_ROWS * ROWS.mean_tokens


def test_the_shape_is_that_of_the_published_run() -> None:
    shape = WORK.architecture
    assert shape.adapters(16) == WORK.learned == 134_217_728
    assert shape.parameters == 32_898_094_080 - 134_217_728
    assert shape.multiplied == pytest.approx(31.98e9, rel=1e-3)


def test_the_rates_of_a_card_give_the_published_run_back() -> None:
    products = ROWS.mean_tokens * hardware_flops(WORK) / RATES.products
    assert gather_seconds(WORK, RATES) + products == pytest.approx(9.16, rel=0.01)


def test_the_first_preset_is_the_tutorials_table() -> None:
    if "devices" not in FIELDS:
        pytest.skip("this build trains on one device")
    found = translate(TABLE, devices=8)
    assert found.faults == ()
    assert {name: found.config[name] for name in SLOW.config} == SLOW.config


def test_the_fast_preset_is_what_the_advice_finds_and_learns_the_same() -> None:
    for preset in (SLOW, FAST):
        found = preset.estimate.fastest
        assert found is not None
        assert found.work == WORK
        changed = {each.field: each.value for each in found.changes}
        assert {**preset.settings, **changed} == FAST.settings
    assert {**FAST.settings, "batch_tokens": 0} == {**SLOW.settings, "batch_tokens": 0}
    assert FAST.tokens_per_second / SLOW.tokens_per_second == pytest.approx(2.3, abs=0.05)
    assert FAST.tokens_per_second / 621.5 == pytest.approx(4.9, abs=0.05)
    assert FAST.estimate.memory.total == pytest.approx(32.6e9, rel=0.01)


def test_advice_fits_and_there_is_none_where_nothing_does() -> None:
    for free in (24e9, 40e9, 80e9):
        found = fastest(WORK, RATES, free, STEP_TOKENS)
        assert found is not None
        assert memory_of(found.work).total <= WARN_SHARE * free
    assert fastest(WORK, RATES, 12e9, STEP_TOKENS) is None


def test_where_gathers_cost_nothing_nothing_is_computed_twice() -> None:
    free, short = find_accelerator("K100-AI").memory_bytes, replace(WORK, row_tokens=1024)
    found = fastest(short, replace(RATES, gather=1e18), free, STEP_TOKENS)
    assert found is not None
    assert not found.work.recompute
    assert FAST.settings["batch_tokens"] == LARGEST_MICRO_BATCH == memory.ENOUGH_TOKENS


def test_a_step_in_single_rows_takes_as_long_as_the_published_one() -> None:
    single = replace(WORK, micro_tokens=712)
    assert speed_of(single, RATES, STEP_TOKENS).tokens_per_second == pytest.approx(621.5, rel=0.01)


def test_a_preset_fills_what_is_not_said() -> None:
    config = training_config(TrainingConfig(learning_rate=1e-4), "dcu-k100ai-32b")
    assert (config.learning_rate, config.step_rows, config.precision) == (1e-4, 256, "bf16")
    assert training_config(TrainingConfig()).step_rows == 0
    assert preset_fields("") == {}
    with pytest.raises(InvalidArgument, match="there are dcu-k100ai-32b, dcu-k100ai-32b-fast"):
        preset_fields("dcu")
    assert preset_to_pb(FAST).predicted_tokens_per_second == 3030
