from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from services.trainer.engine import micro_batches, model
from services.trainer.engine.merging import merge
from services.trainer.engine.run import run
from services.trainer.engine.spec import TrainSpec
from services.trainer.engine.stopping import StopSignal
from tests.unit.trainer.engine.tiny import MakeSpec, events_of, read_samples

# peft 0.21 asks transformers 5.23 by a name that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")

CPU = torch.device("cpu")
IDS = torch.arange(40)[None]


def adapter_of(spec: TrainSpec) -> dict[str, torch.Tensor]:
    return load_file(spec.output_dir / "adapter" / "adapter_model.safetensors")


def test_the_adapters_begin_as_the_main_part_and_the_model_as_its_base(make_spec: MakeSpec) -> None:
    spec = make_spec(lora_init="pissa", lora_rank=4)
    trainable = model.load_model(spec, CPU, "fp32")
    base = AutoModelForCausalLM.from_pretrained(spec.base_model)
    with torch.no_grad():
        ours = trainable.causal(input_ids=IDS, use_cache=False).logits
        torch.testing.assert_close(ours, base(input_ids=IDS, use_cache=False).logits, rtol=1e-3, atol=1e-3)
    weight = base.model.layers[0].mlp.up_proj.weight.detach()
    layer: Any = trainable.causal.model.layers[0].mlp.up_proj
    left, values, right = torch.linalg.svd(weight)
    wanted = left[:, :4] * values[:4] @ right[:4]
    moved = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    torch.testing.assert_close(moved.detach(), wanted, rtol=0.02, atol=0.02)


def test_its_adapter_works_on_the_base_as_it_is(make_spec: MakeSpec, tokenizer: Any) -> None:
    spec = make_spec(lora_init="pissa", lora_rank=4, lora_alpha=8, learning_rate=2e-3, max_steps=20)
    assert run(spec, StopSignal()) == 0
    folder = spec.output_dir / "adapter"
    config = json.loads((folder / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (8, 16)
    curve = [event["loss"] for event in events_of(spec, "step")]
    assert curve[-1] < 0.9 * curve[0]
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(spec.base_model), folder)
    sample = read_samples(spec.train_file, tokenizer)[0]
    batch = micro_batches.pad([sample], 0, CPU)
    with torch.no_grad():
        after = tuned(input_ids=batch.ids, labels=batch.ids, use_cache=False).logits
        again = model.load_model(spec, CPU, "fp32")
        again.adapted.load_state_dict(_as_trained(again.adapted, adapter_of(spec)), strict=False)
        theirs = again.causal(input_ids=batch.ids, use_cache=False).logits
    torch.testing.assert_close(after, theirs, rtol=1e-3, atol=1e-3)
    done = merge(spec.base_model, folder, spec.output_dir / "merged", "fp32")
    assert done.logit_error < 1e-4


def _as_trained(adapted: torch.nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The half of a published adapter that was trained, by the model's own names."""
    found = {}
    for name in adapted.state_dict():
        published = weights.get(name.replace(".default", ""))
        if published is not None:
            found[name] = published[:4] if "lora_A" in name else published[:, :4]
    return found


def test_a_resumed_run_begins_from_the_same_parts(make_spec: MakeSpec) -> None:
    spec = make_spec(lora_init="pissa", lora_rank=4, learning_rate=2e-3, max_steps=10)
    assert run(spec, StopSignal()) == 0
    whole = adapter_of(spec)
    events = spec.output_dir / "events.jsonl"
    kept = [line for line in events.read_bytes().splitlines() if b'"finished"' not in line]
    events.write_bytes(b"\n".join(kept) + b"\n")
    newest = sorted((spec.output_dir / "checkpoints").iterdir())[-1]
    (newest / "state.safetensors").unlink()
    assert run(spec, StopSignal()) == 0
    assert events_of(spec, "resumed")[0]["step"] == 5
    for name, weight in adapter_of(spec).items():
        torch.testing.assert_close(weight, whole[name], rtol=1e-3, atol=1e-4)
