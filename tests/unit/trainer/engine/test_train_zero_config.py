from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.trainer.engine.errors import InvalidSpecError
from services.trainer.engine.parallel.zero_config import check, config_of, stage_of
from tests.unit.trainer.engine.tiny import MakeSpec

THEIRS: dict[str, Any] = {
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "zero_allow_untested_optimizer": True,
    "fp16": {"enabled": "auto", "loss_scale": 0, "initial_scale_power": 16},
    "bf16": {"enabled": "auto"},
    "zero_optimization": {
        "stage": 3,
        "overlap_comm": False,
        "sub_group_size": 1e9,
        "reduce_bucket_size": "auto",
        "stage3_prefetch_bucket_size": "auto",
        "stage3_param_persistence_threshold": "auto",
        "stage3_max_live_parameters": 7,
        "stage3_gather_16bit_weights_on_model_save": True,
    },
}
"""What LLaMA-Factory's ds_z3_config.json says, one number changed."""


def test_our_config_follows_the_spec(make_spec: MakeSpec) -> None:
    config = config_of(make_spec(deepspeed_stage=2, max_grad_norm=0.5), "bf16", learned=10)
    assert (config["zero_optimization"]["stage"], config["gradient_clipping"]) == (2, 0.5)
    assert (config["bf16"]["enabled"], config["fp16"]["enabled"]) == (True, False)
    assert "offload_optimizer" not in config["zero_optimization"]
    offloaded = config_of(make_spec(deepspeed_stage=3, cpu_offload=True), "fp32")["zero_optimization"]
    assert offloaded["offload_optimizer"]["device"] == offloaded["offload_param"]["device"] == "cpu"


def test_fp16_is_scaled_by_deepspeed_which_halves_at_each_overflow(make_spec: MakeSpec) -> None:
    theirs = {**THEIRS, "fp16": {"enabled": "auto", "hysteresis": 2, "initial_scale_power": 12}}
    for changes in ({"deepspeed_stage": 2}, {"deepspeed_config": json.dumps(theirs)}):
        config = config_of(make_spec(**changes), "fp16")
        assert (config["bf16"]["enabled"], config["fp16"]["enabled"]) == (False, True)
        assert config["fp16"]["hysteresis"] == 1
    assert config["fp16"]["initial_scale_power"] == 12


def test_adapters_stay_whole_at_stage_3(make_spec: MakeSpec) -> None:
    zero = config_of(make_spec(deepspeed_stage=3, lora_rank=16), "fp32")["zero_optimization"]
    assert zero["stage3_param_persistence_threshold"] >= 16 * 128


def test_a_config_of_the_users_own_is_taken_and_auto_is_filled_in(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(THEIRS))
    spec = make_spec(deepspeed_config=str(path))
    check(spec)
    assert stage_of(spec) == 3
    config = config_of(spec, "bf16")
    assert "auto" not in json.dumps(config)
    assert config["zero_optimization"]["stage3_max_live_parameters"] == 7
    assert config["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is True
    assert config["zero_optimization"]["reduce_bucket_size"] > 0
    assert (config["train_micro_batch_size_per_gpu"], config["gradient_accumulation_steps"]) == (1, 1)
    assert (config["bf16"], config["fp16"]["enabled"]) == ({"enabled": True}, False)
    assert config_of(make_spec(deepspeed_config=json.dumps(THEIRS)), "bf16") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cpu_offload": True}, "cpu_offload: needs deepspeed_stage 2 or 3"),
        ({"cpu_offload": True, "deepspeed_stage": 1}, "cpu_offload: needs"),
        ({"deepspeed_stage": 3, "use_dora": True}, "use_dora: needs whole weights"),
        ({"deepspeed_stage": 3, "quantization_bits": 4}, "quantization_bits: 4 bits are packed"),
        ({"deepspeed_stage": 1, "optimizer": "adafactor"}, "optimizer: adafactor looks at rows and columns"),
        ({"deepspeed_config": "{}", "cpu_offload": True}, "cpu_offload: not beside"),
        ({"deepspeed_config": json.dumps(THEIRS), "deepspeed_stage": 2}, "deepspeed_stage: is 2, but"),
        ({"deepspeed_config": "/nowhere.json"}, "deepspeed_config: /nowhere.json is not readable JSON"),
        ({"deepspeed_config": "{"}, "deepspeed_config: the text is not readable JSON"),
        ({"deepspeed_config": '{"zero_optimization": {"stage": 4}}'}, "stage must be 0 to 3, not 4"),
    ],
)
def test_contradictions_are_refused(make_spec: MakeSpec, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpecError, match=message):
        check(make_spec(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"type": "AdamW"}}, "optimizer is the run's own"),
        ({"scheduler": {"type": "WarmupLR"}}, "scheduler is the run's own"),
        ({"train_batch_size": 256}, 'train_batch_size must be "auto"'),
        ({"fp16": {"enabled": True}}, "fp16.enabled is true, but the run computes in bf16"),
        ({"bf16": {"enabled": False}}, "bf16.enabled is false, but the run computes in bf16"),
    ],
)
def test_a_config_may_not_decide_what_the_run_does(
    make_spec: MakeSpec, changes: dict[str, Any], message: str
) -> None:
    spec = make_spec(deepspeed_config=json.dumps({**THEIRS, **changes}))
    with pytest.raises(InvalidSpecError, match=message):
        config_of(spec, "bf16")
