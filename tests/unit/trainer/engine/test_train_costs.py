from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from torch import nn

from services.trainer.engine.environment import recorded
from services.trainer.engine.model import TrainableModel
from services.trainer.engine.products import Products, products_of
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of

BODY = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128)
ADAPTERS = 2 * 8 * (2 * (64 + 64) + 2 * (64 + 32) + 3 * (64 + 128))


def test_a_step_says_what_it_cost(make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NCCL_MIN_NCHANNELS", "16")
    monkeypatch.setenv("SISHU_S3_SECRET_KEY", "secret")
    spec = make_spec(max_steps=3, checkpoint_steps=2, lora_rank=8, packing="off")
    assert run(spec, StopSignal()) == 0
    (started,), steps = events_of(spec, "started"), events_of(spec, "step")
    assert started["device_name"] == "cpu"
    assert started["environment"]["NCCL_MIN_NCHANNELS"] == "16"
    assert "secret" not in started["environment"].values()
    head = spec_head(started)
    for step in steps:
        assert 0 < step["data_wait_seconds"] < step["seconds"]
        assert step["model_flops"] == step["tokens"] * (4 * (BODY + head + ADAPTERS) + 2 * ADAPTERS)
        body = step["padded_tokens"] * (4 * (BODY + ADAPTERS) + 2 * ADAPTERS)
        assert step["hardware_flops"] == body + step["supervised_tokens"] * 4 * head
        assert 0 < step["memory"]["allocated"] <= step["peak_memory_bytes"] * 1.01
        assert step["memory"]["total"] > step["peak_memory_bytes"]
    assert [event["seconds"] > 0 for event in events_of(spec, "checkpoint")] == [True, True]


def spec_head(started: dict[str, Any]) -> int:
    """Weights of the output head, which the tiny model has apart from its embeddings."""
    frozen = started["parameter_count"] - started["trainable_parameter_count"]
    return int((frozen - BODY - 5 * 64) / 2)


def test_products_of_a_frozen_base_and_of_one_that_learns() -> None:
    frozen = Products(body=1000, head=100, learned_body=0, learned_head=0)
    assert frozen.model_flops(10) == 10 * 4 * 1100
    assert frozen.hardware_flops(12, 3, recomputes=False) == 12 * 4 * 1000 + 3 * 4 * 100
    assert frozen.hardware_flops(12, 3, recomputes=True) == 12 * 6 * 1000 + 3 * 4 * 100
    whole = Products(body=1000, head=100, learned_body=1000, learned_head=100)
    assert whole.model_flops(10) == 10 * 6 * 1100


def test_of_a_model_with_experts_nothing_is_said() -> None:
    causal = SimpleNamespace(config=SimpleNamespace(num_experts=8), get_output_embeddings=lambda: None)
    model = cast(TrainableModel, SimpleNamespace(causal=causal, adapted=nn.Linear(2, 2)))
    assert products_of(model) is None


def test_only_variables_of_the_computation_are_recorded() -> None:
    given = {"PATH": "/bin", "HF_TOKEN": "x", "HIP_VISIBLE_DEVICES": "0", "NCCL_DEBUG": "y" * 1000}
    assert recorded(given) == {"HIP_VISIBLE_DEVICES": "0", "NCCL_DEBUG": "y" * 500}
