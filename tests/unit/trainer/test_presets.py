"""Presets follow from their tables, and the fast one from the plan."""

from __future__ import annotations

import pytest

from services.runtime.errors import InvalidArgument
from services.trainer.convert import training_config
from services.trainer.engine import memory
from services.trainer.llama_factory.saying import FIELDS
from services.trainer.llama_factory.translation import translate
from services.trainer.planning import (
    LARGEST_MICRO_BATCH,
    USABLE,
    Cards,
    Plan,
    card_bytes,
    fastest,
    gather_seconds,
    products_seconds,
)
from services.trainer.presets import (
    CARD_TOKENS,
    K100_AI,
    PRESETS,
    QWEN2_32B,
    ROW_TOKENS,
    preset_fields,
)
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


def test_the_shape_is_that_of_the_published_run() -> None:
    assert QWEN2_32B.adapters == 134_217_728
    assert QWEN2_32B.parameters == pytest.approx(32_898_094_080 - 134_217_728, rel=1e-4)
    assert QWEN2_32B.multiplied == pytest.approx(31.98e9, rel=1e-3)


def test_the_rates_of_a_card_give_the_published_run_back() -> None:
    products = products_seconds(QWEN2_32B, K100_AI, ROW_TOKENS, recompute=True)
    assert gather_seconds(QWEN2_32B, K100_AI) + products == pytest.approx(9.16, rel=0.01)


def test_the_first_preset_is_the_tutorials_table() -> None:
    if "devices" not in FIELDS:
        pytest.skip("this build trains on one device")
    found = translate(TABLE, devices=8)
    assert found.faults == ()
    assert {name: found.config[name] for name in SLOW.config} == SLOW.config


def test_the_fast_preset_is_what_the_plan_finds_and_learns_the_same() -> None:
    assert fastest(QWEN2_32B, K100_AI, CARD_TOKENS) == FAST.plan
    assert FAST.settings["batch_tokens"] == FAST.plan.micro_tokens
    assert {**FAST.settings, "batch_tokens": 0} == {**SLOW.settings, "batch_tokens": 0}
    assert FAST.tokens_per_second / SLOW.tokens_per_second == pytest.approx(2.3, abs=0.05)
    assert FAST.tokens_per_second / 621.5 == pytest.approx(4.9, abs=0.05)
    assert card_bytes(QWEN2_32B, K100_AI, FAST.plan) == pytest.approx(32.6e9, rel=0.01)


def test_a_plan_fits_and_none_is_found_where_none_does() -> None:
    for memory_bytes in (24e9, 40e9, 80e9):
        cards = Cards(8, 196e12, 0.5, memory_bytes, 14.8e9)
        assert card_bytes(QWEN2_32B, cards, fastest(QWEN2_32B, cards, 20_000)) <= USABLE * memory_bytes
    with pytest.raises(ValueError, match="fits"):
        fastest(QWEN2_32B, Cards(8, 196e12, 0.5, 12e9, 14.8e9), 20_000)


def test_where_gathers_cost_nothing_nothing_is_computed_twice() -> None:
    assert not fastest(QWEN2_32B, Cards(8, 196e12, 0.5, 68.7e9, 1e18), 20_000).recompute
    assert Plan(LARGEST_MICRO_BATCH, recompute=True).micro_tokens == memory.ENOUGH_TOKENS


def test_a_preset_fills_what_is_not_said() -> None:
    config = training_config(TrainingConfig(learning_rate=1e-4), "dcu-k100ai-32b")
    assert (config.learning_rate, config.step_rows, config.precision) == (1e-4, 256, "bf16")
    assert training_config(TrainingConfig()).step_rows == 0
    assert preset_fields("") == {}
    with pytest.raises(InvalidArgument, match="there are dcu-k100ai-32b, dcu-k100ai-32b-fast"):
        preset_fields("dcu")
    assert preset_to_pb(FAST).predicted_tokens_per_second == 3032
