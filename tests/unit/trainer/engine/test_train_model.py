from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import LlamaForCausalLM
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm

from services.trainer.engine import attention, data, lora, micro_batches, model, norms
from services.trainer.engine.errors import BaseModelError, DeviceError
from services.trainer.engine.optimizer import AdapterOptimizer
from services.trainer.engine.releases import attention_tables
from services.trainer.engine.schedules import learning_rate
from services.trainer.engine.spec import TrainSpec
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, excite, gradients, read_samples, write_rows

CPU = torch.device("cpu")
LoadModel = Callable[..., model.TrainableModel]


@pytest.fixture
def load(make_spec: MakeSpec) -> LoadModel:
    def load(precision: str = "fp32", **changes: Any) -> model.TrainableModel:
        return model.load_model(make_spec(**changes), CPU, precision)

    return load


@pytest.fixture
def samples(tmp_path: Path, tokenizer: Any) -> list[data.Sample]:
    rows = [
        conversation("Where is Ostrel?", "By the river Amber."),
        [*conversation("A?", "One."), *conversation("And the town?", "Two towns by the river.")],
    ]
    return read_samples(write_rows(tmp_path / "few.jsonl", rows), tokenizer)


def test_the_loss_is_that_of_transformers_with_mask_and_labels(
    load: LoadModel, samples: list[data.Sample]
) -> None:
    trainable = load()
    excite(trainable.adapted)
    batch = micro_batches.pad(samples, 0, CPU)
    labels = torch.full_like(batch.ids, -100)
    mask = torch.zeros_like(batch.ids)
    for row, sample in enumerate(samples):
        mask[row, : len(sample.ids)] = 1
        for start, end in sample.spans:
            labels[row, start:end] = batch.ids[row, start:end]
    with torch.no_grad():
        reference = trainable.adapted(input_ids=batch.ids, attention_mask=mask, labels=labels).loss
        ours = trainable.summed_loss(batch) / len(batch.targets)
    assert batch.tokens == int(mask.sum()) < batch.ids.numel()
    assert len(batch.targets) == int((labels != -100).sum())
    torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-5)


def test_padding_does_not_change_a_rows_loss(load: LoadModel, samples: list[data.Sample]) -> None:
    trainable = load()
    alone = [trainable.summed_loss(micro_batches.pad([sample], 0, CPU)) for sample in samples]
    together = trainable.summed_loss(micro_batches.pad(samples, 0, CPU))
    torch.testing.assert_close(together, alone[0] + alone[1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_the_lean_adapter_computes_what_peft_computes(bias: bool) -> None:
    torch.manual_seed(0)
    lean = get_peft_model(
        nn.Sequential(nn.Linear(8, 12, bias=bias), nn.Linear(12, 6, bias=bias)),
        LoraConfig(r=4, lora_alpha=8, target_modules=["0", "1"]),
    )
    for name, weight in lean.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight)
    pefts = copy.deepcopy(lean)
    assert lora.use_lean_forward(lean) == 2
    inputs = torch.randn(2, 5, 8)
    outputs = [network(inputs) for network in (lean, pefts)]
    torch.testing.assert_close(outputs[0], outputs[1])
    for output in outputs:
        output.square().sum().backward()
    for (name, ours), theirs in zip(lean.named_parameters(), pefts.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None) == ("lora_" not in name)
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)


def test_gradients_of_micro_batches_add_up_in_the_optimizers_buffer(
    load: LoadModel, samples: list[data.Sample], make_spec: MakeSpec
) -> None:
    found = []
    for owned in (False, True):
        trainable = load()
        excite(trainable.adapted)
        if owned:
            AdapterOptimizer(trainable.learned, make_spec())
        for sample in samples:
            loss = trainable.summed_loss(micro_batches.pad([sample], 0, CPU))
            loss.backward()  # type: ignore[no-untyped-call]
        found.append(gradients(trainable.adapted))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_fused_norm_computes_what_transformers_computes(
    base_model: Path, dtype: torch.dtype, tolerance: float
) -> None:
    causal: Any = LlamaForCausalLM.from_pretrained(base_model)
    causal = causal.to(dtype)
    theirs = causal.model.norm
    torch.manual_seed(2)
    nn.init.normal_(theirs.weight, mean=1.0, std=0.3)
    ours = copy.deepcopy(theirs)
    assert norms.use_fused_norms(ours) == 1
    assert norms.use_fused_norms(causal) == 5
    hidden = torch.randn(7, 64, dtype=dtype)
    expected = theirs(hidden)
    assert (ours(hidden) - expected).norm() <= tolerance * expected.norm()


def test_norms_that_add_one_to_their_weight_stay_as_they_are() -> None:
    norm = GemmaRMSNorm(16)
    nn.init.normal_(norm.weight)
    assert norms.use_fused_norms(norm) == 0


def test_an_adapter_with_dropout_keeps_pefts_own_forward(load: LoadModel) -> None:
    assert lora.use_lean_forward(load(lora_dropout=0.1).adapted) == 0


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_attention_for_short_rows_is_scaled_dot_product_attention(
    dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    query, keys, values = (torch.randn(3, heads, 17, 8, dtype=dtype) for heads in (6, 2, 2))
    ours = attention.causal_attention(query, keys, values, 8**-0.5)
    keys, values = (each.repeat_interleave(3, dim=1) for each in (keys, values))
    theirs = nn.functional.scaled_dot_product_attention(query, keys, values, is_causal=True)
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(attention_tables() is None, reason="this transformers has no table of attentions")
def test_a_loaded_model_uses_the_short_attention_and_falls_back_for_masks(load: LoadModel) -> None:
    trainable = load(packing="off")
    assert trainable.causal.config._attn_implementation == attention.NAME
    ids = torch.arange(24).view(2, 12)
    left_padded = torch.ones_like(ids)
    left_padded[0, :5] = 0
    for mask in (None, left_padded):
        found = []
        for name in (attention.NAME, "sdpa"):
            trainable.causal.config._attn_implementation = name
            with torch.no_grad():
                found.append(trainable.causal(input_ids=ids, attention_mask=mask, use_cache=False).logits)
        torch.testing.assert_close(found[0][:, 5:], found[1][:, 5:], rtol=1e-4, atol=1e-4)


def test_gradient_checkpointing_changes_memory_and_not_gradients(
    load: LoadModel, samples: list[data.Sample]
) -> None:
    found = []
    for checkpointing in (False, True):
        trainable = load(gradient_checkpointing=checkpointing)
        excite(trainable.adapted)
        loss = trainable.summed_loss(micro_batches.pad(samples, 0, CPU))
        loss.backward()  # type: ignore[no-untyped-call]
        found.append(gradients(trainable.adapted))
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-5)


def test_only_adapters_learn_and_they_are_in_the_models_precision(load: LoadModel) -> None:
    trainable = load("bf16")
    learned = {name: w for name, w in trainable.adapted.named_parameters() if w.requires_grad}
    assert learned
    assert all("lora_" in name and w.dtype == torch.bfloat16 for name, w in learned.items())
    assert not any("lm_head" in name for name in learned)


def test_layers_that_do_not_exist_cannot_be_targets(load: LoadModel) -> None:
    with pytest.raises(BaseModelError, match="lora_targets: "):
        load(lora_targets=("no_such_layer",))


def test_a_damaged_base_model_is_refused(make_spec: MakeSpec, tmp_path: Path, base_model: Path) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / "config.json").write_bytes((base_model / "config.json").read_bytes())
    with pytest.raises(BaseModelError, match="cannot load the weights"):
        model.load_model(make_spec(base_model=folder), CPU, "fp32")


def test_fp32_copies_keep_updates_that_bf16_would_lose(make_spec: MakeSpec) -> None:
    weight = nn.Parameter(torch.ones(4, dtype=torch.bfloat16))
    optimizer = AdapterOptimizer([weight], make_spec())
    for _ in range(10):
        assert weight.grad is not None
        weight.grad.fill_(1.0)
        optimizer.collect()
        optimizer.update(optimizer.norm().item(), 1e-3)
    # Each update is 0.001, half a bf16 step below 1; added in bf16 all ten would vanish.
    torch.testing.assert_close(weight.detach().float(), torch.full((4,), 0.99), rtol=0, atol=0.004)
    torch.testing.assert_close(optimizer.state()["master"], torch.full((4,), 0.99), rtol=0, atol=1e-4)


def test_the_optimizer_is_adamw_with_clipping(make_spec: MakeSpec) -> None:
    torch.manual_seed(0)
    start = [torch.randn(3, 4), torch.randn(5)]
    ours = [nn.Parameter(each.clone()) for each in start]
    theirs = [nn.Parameter(each.clone()) for each in start]
    optimizer = AdapterOptimizer(ours, make_spec(weight_decay=0.1, max_grad_norm=0.5))
    reference = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1)
    for step in range(5):
        for group in (ours, theirs):
            sum((each * (step + 1)).square().sum() for each in group).backward()  # type: ignore[union-attr]
        optimizer.collect()
        optimizer.update(optimizer.norm().item(), 0.01)
        nn.utils.clip_grad_norm_(theirs, 0.5)
        reference.step()
        reference.zero_grad()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_the_rate_climbs_then_falls_and_is_never_nothing(make_spec: MakeSpec, schedule: str) -> None:
    spec = make_spec(schedule=schedule, learning_rate=1e-3, warmup_ratio=0.1)
    rates = [learning_rate(spec, step, 100) for step in range(1, 101)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[9] == max(rates) == 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] > 0
    assert (rates[-1] == 1e-3) == (schedule == "constant")


def test_no_warm_up_begins_at_the_peak(make_spec: MakeSpec) -> None:
    assert learning_rate(make_spec(warmup_ratio=0.0), 1, 10) == pytest.approx(1e-2)


def test_warm_up_can_be_said_in_steps(make_spec: MakeSpec) -> None:
    rates = [learning_rate(make_spec(warmup_ratio=0.5, warmup_steps=4), step, 10) for step in range(1, 6)]
    assert rates == pytest.approx([2.5e-3, 5e-3, 7.5e-3, 1e-2, 1e-2])
    assert learning_rate(make_spec(warmup_steps=20), 10, 10) == pytest.approx(5e-3)


def test_a_missing_accelerator_is_told(make_spec: MakeSpec) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has an accelerator")
    with pytest.raises(DeviceError, match="device: torch sees no"):
        model.choose_device(make_spec(device="cuda"))


def test_bf16_is_chosen_only_for_a_cpu_that_computes_in_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (("fma avx512_bf16", True), ("amx_bf16 fma", True), ("fma avx512f", False)):
        cpuinfo.write_text(f"flags : {flags}\n")
        assert model.cpu_computes_bf16(cpuinfo) is expected
    assert not model.cpu_computes_bf16(tmp_path / "none")


def test_the_base_models_hash_follows_its_weights(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    cache = tmp_path / "cache.json"
    (folder / "model.safetensors").write_bytes(b"one")
    first = model.base_model_sha256(folder, cache)
    assert model.base_model_sha256(folder, cache) == first
    (folder / "model.safetensors").write_bytes(b"others")
    assert model.base_model_sha256(folder, cache) != first
    (folder / "model.safetensors").unlink()
    with pytest.raises(BaseModelError, match="lacks"):
        model.base_model_sha256(folder, cache)


def test_a_spec_is_all_that_a_model_depends_on(make_spec: MakeSpec) -> None:
    def weights(spec: TrainSpec) -> dict[str, torch.Tensor]:
        trainable = model.load_model(spec, CPU, "fp32")
        return {name: w for name, w in trainable.adapted.named_parameters() if w.requires_grad}

    same, again, other = (weights(make_spec(seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert not all(torch.equal(same[name], other[name]) for name in same)


def test_the_models_context_limits_rows_too(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    for content, limit in (
        ('{"max_position_embeddings": 64}', 64),
        ('{"text_config": {"max_position_embeddings": 32}}', 32),
        ("{}", sys.maxsize),
    ):
        config.write_text(content)
        assert model.context_length(tmp_path) == limit
