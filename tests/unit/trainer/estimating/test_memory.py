"""Bytes by component, held against figures that were derived or measured apart from the code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.trainer.estimating.architectures import Architecture, of_config
from services.trainer.estimating.memory import memory_of
from services.trainer.estimating.named_models import named_model
from services.trainer.estimating.workloads import CPU, Workload
from tests.bench.estimate_cases import LLAMA

GB = 1e9


def model(name: str) -> Architecture:
    found = named_model(name)
    assert found is not None
    return found


SMALL = Workload(model("qwen2.5-7b"))
"""LoRA of rank 16 in bf16 on one accelerator."""
TINY = Workload(
    of_config(LLAMA), device=CPU, packed=False, micro_tokens=1016, row_tokens=127, learned_share=920 / 1016
)


def test_weights_and_state_of_an_adapter() -> None:
    found = memory_of(SMALL)
    learned = 40_370_176
    assert SMALL.learned == learned
    assert found.weights == 2 * (7_615_616_512 + learned)
    assert found.gradients == (2 + 4) * learned
    assert found.optimizer == (4 + 8) * learned
    assert found.gather == found.buffers == 0


def test_weights_and_state_of_a_whole_model() -> None:
    work = replace(SMALL, method="full")
    found = memory_of(work)
    assert work.learned == 7_615_616_512
    # 18 bytes a weight, as Megatron-LM and DeepSpeed count it, and 2 more as micro-batches are summed apart.
    assert found.weights + found.gradients + found.optimizer == 20 * work.learned
    half = memory_of(replace(work, optimizer="sgd"))
    assert found.optimizer - half.optimizer == 8 * work.learned


def test_zero_3_holds_a_part_and_what_it_has_fetched() -> None:
    work = Workload(model("qwen2.5-32b"), devices=8, stage=3, lean=False, recompute=True, micro_tokens=711)
    found = memory_of(work)
    assert found.weights == pytest.approx(8.19 * GB + 0.27 * GB, rel=0.01)
    assert found.gather == pytest.approx(2.1 * GB, rel=0.01)
    assert found.total < 20 * GB
    offloaded = memory_of(replace(work, offload=True))
    assert offloaded.weights == 2 * work.learned
    assert offloaded.optimizer == 0


def test_four_bits_are_half_a_byte_and_scales() -> None:
    found = memory_of(replace(SMALL, quantization_bits=4))
    # 6.53e9 weights of linear layers at 4.13 bits; embeddings, head, norms and biases stay in bf16.
    assert found.weights == pytest.approx(5.54 * GB, rel=0.02)
    assert found.weights < memory_of(replace(SMALL, quantization_bits=8)).weights


def test_recomputing_keeps_the_input_of_each_layer() -> None:
    work = replace(SMALL, micro_tokens=8192, row_tokens=2048)
    kept, again = memory_of(work), memory_of(replace(work, recompute=True))
    inputs = 28 * 3584 * 2 * 8192
    assert inputs < again.activations + again.logits < inputs + 6 * GB
    assert kept.activations > 5 * again.activations


def test_frozen_layers_below_keep_nothing() -> None:
    whole = replace(SMALL, method="freeze", freeze_layers=28, micro_tokens=8192)
    two = replace(whole, freeze_layers=2)
    assert memory_of(two).activations < memory_of(whole).activations / 8
    assert two.first_layer == 26
    named = replace(two, freeze_layers=0, freeze_extra_modules=("layers.3.mlp",))
    assert named.learning_layers == {3}
    assert named.learned == 3 * 3584 * 18944


def test_logits_are_those_of_one_chunk() -> None:
    work = replace(SMALL, recompute=True, micro_tokens=8192)
    assert memory_of(work).logits == 10 * 2048 * 152064
    fewer = replace(work, logits_positions=256)
    assert memory_of(fewer).tensors < memory_of(work).tensors


def test_everything_is_counted_once() -> None:
    found = memory_of(SMALL)
    assert found.total == found.tensors + found.fragmentation + found.fixed
    assert found.largest == "weights"


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        ({"precision": "fp32"}, 93.9e6),
        ({"precision": "bf16"}, 73.4e6),
        ({"precision": "fp32", "method": "full"}, 124.6e6),
        ({"precision": "bf16", "method": "full"}, 102.4e6),
    ],
)
def test_a_tiny_models_peak_on_a_cpu_is_near_what_was_measured(
    changes: dict[str, str], measured: float
) -> None:
    assert memory_of(replace(TINY, **changes)).tensors == pytest.approx(measured, rel=0.05)  # type: ignore[arg-type]
