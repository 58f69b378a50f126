from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from services.trainer.engine import lora, model
from services.trainer.engine.merging import merge
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.run import run
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, adapters, events_of, excite

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

CPU = torch.device("cpu")
IDS = torch.arange(30)[None]


def of_peft(base: Path, **options: Any) -> PeftModel:
    """The same adapters by peft alone."""
    torch.manual_seed(42)
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    found: PeftModel = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    return found


def distance(ours: Any, theirs: Any) -> float:
    """As a share of theirs: of single numbers near 0, Adam makes steps as large as of others, either way."""
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("options", [{"use_rslora": True}, {"use_dora": True}])
def test_each_kind_computes_and_learns_as_in_peft(make_spec: MakeSpec, options: dict[str, bool]) -> None:
    spec = make_spec(**options)
    trainable = model.load_model(spec, CPU, "fp32")
    theirs = of_peft(spec.base_model, **options)
    found = []
    for network in (trainable.adapted, theirs):
        excite(network)
        loss = network(input_ids=IDS, labels=IDS, use_cache=False).loss
        loss.backward()
        found.append((float(loss.detach()), {name: each.grad for name, each in adapters(network).items()}))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert found[0][1].keys() == found[1][1].keys()
    for name, gradient in found[0][1].items():
        assert distance(gradient, found[1][1][name]) < 1e-4, name


@pytest.mark.parametrize("use_dora", [False, True])
def test_lora_plus_steps_as_in_peft(make_spec: MakeSpec, use_dora: bool) -> None:
    spec = make_spec(use_dora=use_dora, loraplus_ratio=16.0, max_grad_norm=0.0)
    ours = model.load_model(spec, CPU, "fp32")
    excite(ours.adapted)
    theirs = of_peft(spec.base_model, use_dora=use_dora)
    theirs.load_state_dict(copy.deepcopy(ours.adapted.state_dict()))
    reference = create_loraplus_optimizer(
        theirs, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=16.0, weight_decay=0.0
    )
    before = {name: weight.detach().clone() for name, weight in adapters(theirs).items()}
    mine = AdapterOptimizer(ours.learned, spec, ours.learned_fast)
    for step in range(3):
        for network in (ours.adapted, theirs):
            network(input_ids=IDS + step, labels=IDS + step, use_cache=False).loss.backward()
        mine.collect()
        mine.update(float(mine.norm()), 1e-3)
        reference.step()
        reference.zero_grad()
        if step == 1:
            # As over a checkpoint.
            state = mine.state()
            mine = AdapterOptimizer(ours.learned, spec, ours.learned_fast)
            mine.load(state)
    wanted = adapters(theirs)
    for name, weight in adapters(ours.adapted).items():
        moved, by_peft = (each.detach() - before[name] for each in (weight, wanted[name]))
        assert distance(moved, by_peft) < 0.02, name


def test_a_run_with_all_of_them_learns_and_can_be_merged(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(use_dora=True, use_rslora=True, loraplus_ratio=4.0, learning_rate=2e-3, precision="bf16")
    assert run(spec, StopSignal()) == 0
    first, *_, last = [event["loss"] for event in events_of(spec, "step")]
    assert last < 0.9 * first
    weights = load_file(spec.output_dir / "adapter" / "adapter_model.safetensors")
    assert any("magnitude" in name for name in weights)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    done = merge(spec.base_model, spec.output_dir / "adapter", tmp_path / "merged", "fp32")
    assert done.logit_error < 1e-4
    assert done.adapter_effect > 0.01


def test_dora_keeps_pefts_own_forward(make_spec: MakeSpec) -> None:
    trainable = model.load_model(make_spec(use_dora=True), CPU, "fp32")
    assert lora.use_lean_forward(trainable.adapted) == 0
