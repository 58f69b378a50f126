"""What adapters have learned, by a plain forward pass of transformers, one row at a time, whoever trained them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoModelForCausalLM

from services.trainer.engine import data
from services.trainer.engine.tokenizing import load_tokenizer
from tests.unit.trainer.engine.tiny import read_samples

_LONGEST = 4096


def losses(model: Path, rows: Path, adapters: Sequence[Path | None]) -> list[float]:
    """Mean cross-entropy in nats of the answers' tokens, with each adapter, or None for the bare model."""
    samples = read_samples(rows, load_tokenizer(model), _LONGEST)
    return [_loss(_loaded(model, adapter), samples) for adapter in adapters]


def _loaded(model: Path, adapter: Path | None) -> Any:
    causal: Any = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    return causal if adapter is None else PeftModel.from_pretrained(causal, str(adapter))


@torch.no_grad()
def _loss(causal: Any, samples: Sequence[data.Sample]) -> float:
    total, count = 0.0, 0
    causal.eval()
    for sample in samples:
        found, tokens = row_loss(causal, sample)
        total += float(found)
        count += tokens
    return total / count


def row_loss(causal: Any, sample: data.Sample) -> tuple[torch.Tensor, int]:
    """Cross-entropy of a row's learned tokens, summed, and their number."""
    ids = torch.tensor(sample.ids, dtype=torch.int64)
    places = torch.tensor([place for start, end in sample.spans for place in range(start, end)])
    logits = causal(input_ids=ids[None], use_cache=False).logits[0]
    return functional.cross_entropy(logits[places - 1].float(), ids[places], reduction="sum"), len(places)
