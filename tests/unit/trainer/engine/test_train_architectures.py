from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    CohereConfig,
    Gemma2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
)

from services.trainer.engine import data, model
from services.trainer.engine.head_loss import HeadEnd, learned_cross_entropy, token_cross_entropy
from services.trainer.engine.releases import attention_tables
from tests.unit.trainer.engine.tiny import MakeSpec, excite, gradients, read_samples

pytestmark = pytest.mark.skipif(
    attention_tables() is None, reason="this transformers cannot pack by segments"
)

CPU = torch.device("cpu")
SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.2,
}
KINDS: dict[str, Callable[..., Any]] = {
    "llama": LlamaConfig,
    "qwen2": Qwen2Config,
    # Of the oldest releases that we support some have it not.
    "qwen3": lambda **sizes: transformers.Qwen3Config(head_dim=8, **sizes),
    # Rows are longer than the window: a token of a long row does not see its beginning.
    "mistral": lambda **sizes: MistralConfig(sliding_window=16, **sizes),
    "gemma2": lambda **sizes: Gemma2Config(head_dim=8, query_pre_attn_scalar=8, **sizes),
    "granite": lambda **sizes: GraniteConfig(logits_scaling=4.0, **sizes),
    "cohere": lambda **sizes: CohereConfig(logit_scale=0.5, **sizes),
    "phi3": lambda **sizes: Phi3Config(pad_token_id=0, **sizes),
    "gpt_neox": lambda num_key_value_heads, **sizes: GPTNeoXConfig(**sizes),
}
NOT_PACKED = {("mistral", "sdpa"), ("mistral", "eager")}
"""A mask of rows says nothing of windows: such a model is packed by segments or not at all."""
GATE = {("llama", "auto"), ("llama", "eager"), ("qwen3", "sdpa"), ("mistral", "auto"), ("gemma2", "eager")}
CASES = [
    pytest.param(kind, attention, marks=[] if (kind, attention) in GATE else pytest.mark.full)
    for kind in KINDS
    for attention in ("auto", "sdpa", "eager")
    # Its authors cap the scores, for which transformers has no other attention.
    if (kind, attention) != ("gemma2", "sdpa")
]


def made(kind: str, tokenizer: Any, folder: Path) -> Path:
    torch.manual_seed(0)
    config = KINDS[kind](
        vocab_size=len(tokenizer), bos_token_id=None, eos_token_id=tokenizer.eos_token_id, **SIZES
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.mark.parametrize(("kind", "attention"), CASES)
def test_packed_rows_have_the_losses_and_gradients_that_they_have_alone(
    make_spec: MakeSpec, tokenizer: Any, tmp_path: Path, kind: str, attention: str
) -> None:
    spec = make_spec(base_model=made(kind, tokenizer, tmp_path / kind))
    rows = read_samples(spec.train_file, tokenizer)[:7]
    found = []
    for packing in ("on", "off"):
        wanted = make_spec(base_model=spec.base_model, attention=attention, packing=packing)
        trainable = model.load_model(wanted, CPU, "fp32")
        assert trainable.packed == (packing == "on" and (kind, attention) not in NOT_PACKED)
        assert trainable.shares_prefix == trainable.packed
        excite(trainable.adapted)
        batches = [rows] if trainable.packed else [[row] for row in rows]
        found.append(losses_and_gradients(trainable, batches))
        if trainable.packed:
            assert trainable.collate(rows, 0).spared
            trainable.adapted.zero_grad()
            found.append(losses_and_gradients(replace(trainable, shares_prefix=False), batches))
    *packs, (alone, alone_gradients) = found
    for packed, packed_gradients in packs:
        torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)
        for name, gradient in packed_gradients.items():
            expected = alone_gradients[name]
            assert (gradient - expected).norm() <= 1e-3 * expected.norm() + 1e-5, name


def losses_and_gradients(
    trainable: model.TrainableModel, batches: list[list[data.Sample]]
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean loss of the learned tokens of each row."""
    losses = []
    for batch in batches:
        summed = trainable.row_losses(trainable.collate(batch, 0))
        summed.sum().backward()  # type: ignore[no-untyped-call]
        counts = [sum(end - start for start, end in row.spans) for row in batch]
        losses.append(summed.detach() / torch.tensor(counts))
    return torch.cat(losses), gradients(trainable.adapted)


@pytest.mark.parametrize("kind", [pytest.param("granite", marks=pytest.mark.full), "gemma2"])
def test_a_model_that_scales_or_caps_its_logits_computes_few_at_a_time(
    make_spec: MakeSpec, tokenizer: Any, tmp_path: Path, kind: str
) -> None:
    spec = make_spec(base_model=made(kind, tokenizer, tmp_path / kind), packing="off", logits_positions=5)
    trainable = model.load_model(spec, CPU, "fp32")
    assert trainable.head_at_labels
    batch = trainable.collate(read_samples(spec.train_file, tokenizer)[:3], 0)
    largest = 0

    def see(_module: Any, _given: Any, output: torch.Tensor) -> None:
        nonlocal largest
        largest = max(largest, output.numel() // output.shape[-1])

    with torch.no_grad():
        logits = trainable.causal(input_ids=batch.ids).logits.flatten(0, 1)[batch.positions]
        trainable.causal.get_output_embeddings().register_forward_hook(see)
        expected = nn.functional.cross_entropy(logits, batch.targets, reduction="sum")
        torch.testing.assert_close(trainable.summed_loss(batch), expected, rtol=1e-5, atol=1e-4)
    assert largest == 0, "logits were computed outside the chunked loss"


@pytest.mark.parametrize("end", [HeadEnd(), HeadEnd(scale=0.25), HeadEnd(cap=3.0)])
@pytest.mark.parametrize("learns", [False, True])
def test_the_loss_behind_a_head_end_is_cross_entropy(end: HeadEnd, learns: bool) -> None:
    torch.manual_seed(0)
    head = nn.Linear(8, 50)
    targets = torch.randint(50, (10,))
    by_chunks = learned_cross_entropy if learns else token_cross_entropy
    found = []
    for ours in (True, False):
        torch.manual_seed(1)
        hidden = (torch.randn(10, 8) * 4).requires_grad_()
        if ours:
            losses = by_chunks(hidden, head, targets, 3, end)
        else:
            losses = nn.functional.cross_entropy(end(head(hidden)), targets, reduction="none")
        (losses * torch.arange(10)).sum().backward()  # type: ignore[no-untyped-call]
        found.append((losses.detach(), hidden.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)
