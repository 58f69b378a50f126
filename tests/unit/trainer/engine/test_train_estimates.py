"""What estimates are made from is what the engine loads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from services.trainer.engine import attention, model, selection
from services.trainer.engine.parallel import zero_config
from services.trainer.estimating import memory
from services.trainer.estimating.architectures import of_config
from services.trainer.estimating.layers import SHORT_ROWS
from services.trainer.estimating.workloads import Workload
from services.trainer.machine import cpu_computes_bf16
from tests.bench.estimate_cases import GPT2, LLAMA, MISTRAL, QWEN2, QWEN3
from tests.unit.trainer.engine.tiny import MakeSpec

SHAPES = pytest.mark.parametrize(
    "config", [LLAMA, QWEN2, QWEN3, MISTRAL, GPT2], ids=lambda one: one["model_type"]
)


def empty(config: dict[str, Any]) -> Any:
    """A model without numbers."""
    kind: Any = AutoModelForCausalLM  # it has no types
    with torch.device("meta"):
        return kind.from_config(AutoConfig.for_model(**config))


@SHAPES
def test_the_tensors_are_those_of_transformers(config: dict[str, Any]) -> None:
    found = {each.name: each.numbers for each in of_config(config).weights}
    assert found == {name: each.numel() for name, each in empty(config).named_parameters()}


@SHAPES
@pytest.mark.parametrize("layers", [2, -1, 0])
def test_as_many_weights_learn_as_the_engine_lets_learn(
    config: dict[str, Any], layers: int, make_spec: MakeSpec
) -> None:
    causal = empty(config)
    extra = ("mlp",) if layers == 0 else ()
    selection.select(causal, make_spec(method="freeze", freeze_layers=layers, freeze_extra_modules=extra))
    work = Workload(of_config(config), method="freeze", freeze_layers=layers, freeze_extra_modules=extra)
    assert work.learned == sum(each.numel() for each in causal.parameters() if each.requires_grad)


def test_constants_are_those_of_the_engine() -> None:

    assert {dtype.itemsize: most for dtype, most in attention._LONGEST.items()} == SHORT_ROWS
    assert zero_config._LARGEST_BUCKET == memory.LARGEST_BUCKET
    assert zero_config._SMALLEST_BUCKET == memory.SMALLEST_BUCKET
    assert cpu_computes_bf16() == model.cpu_computes_bf16()
