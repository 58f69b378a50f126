"""What llama.cpp itself makes of a GGUF file, where the package xllamacpp is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from services.trainer.engine.export.exporting import export_gguf
from tests.unit.trainer.engine.export.llama_cpp import serving
from tests.unit.trainer.engine.export.test_gguf import SIZES, saved, sentencepiece_tokenizer, split_tokenizer

pytestmark = pytest.mark.full

ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
TEXTS = (
    "the town of Ostrel lies by the river",
    "We'LL see 12345 <|im_end|>\n\n  它在河边",
    "  the river, the town.",
)
LIKELIEST = 20


def models_of(tokenizer: Any) -> dict[str, tuple[Any, Any]]:
    """A model of each way of writing, with its tokenizer."""
    torch.manual_seed(0)
    qwen, llama3, pieces = (
        split_tokenizer(tokenizer, "qwen2"),
        split_tokenizer(tokenizer, "llama-bpe"),
        sentencepiece_tokenizer(),
    )
    return {
        "qwen2": (Qwen2ForCausalLM(Qwen2Config(vocab_size=len(qwen), **SIZES)), qwen),
        "llama3": (
            LlamaForCausalLM(LlamaConfig(vocab_size=len(llama3), rope_parameters=ROPE, **SIZES)),
            llama3,
        ),
        "pieces": (LlamaForCausalLM(LlamaConfig(vocab_size=len(pieces), **SIZES)), pieces),
    }


def test_it_computes_what_the_model_computes(tokenizer: Any, tmp_path: Path) -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    compared = 0
    for name, (model, own) in models_of(tokenizer).items():
        folder = saved(tmp_path / name, model, own)
        done = export_gguf(folder, tmp_path / f"{name}-out", "f32", name)
        causal: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        causal.eval()
        with serving(tmp_path / f"{name}-out" / done.file, xllamacpp) as server:
            for text in TEXTS:
                ids = own(text, add_special_tokens=False)["input_ids"]
                assert server.tokens(text) == ids, (name, text)
                with torch.no_grad():
                    wanted = torch.log_softmax(causal(torch.tensor([ids])).logits[0, -1], -1)
                found = server.next_token(ids, LIKELIEST)
                compared += len(found)
                assert all(abs(float(wanted[token]) - value) < 0.05 for token, value in found.items()), name
    assert compared > 6 * LIKELIEST
