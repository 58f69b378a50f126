"""A tiny Llama with a ChatML tokenizer, made once, and runs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from services.trainer.engine.spec import TrainSpec
from tests.unit.trainer.engine.tiny import MakeSpec, conversation, make_tokenizer, write_rows


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tiny matrices gain nothing from more, and a busy machine makes threads wait for each other.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def base_model(tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        # With the usual 0.02 a frozen random head cannot give sharp answers, whatever the adapters do.
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def make_spec(base_model: Path, tmp_path: Path) -> MakeSpec:
    """Specs of one run in `tmp_path`: 24 rows of several lengths, fp32, a step every few milliseconds."""
    rows = [conversation(f"Where is town {i}?", f"By the river {i}. " * (1 + i % 5)) for i in range(24)]
    train_file = write_rows(tmp_path / "train.jsonl", rows)

    def make(**changes: Any) -> TrainSpec:
        settings: dict[str, Any] = {
            "run_id": "run-1",
            "base_model": base_model,
            "train_file": train_file,
            "output_dir": tmp_path / "out",
            "max_steps": 12,
            "learning_rate": 1e-2,
            "batch_tokens": 256,
            "precision": "fp32",
            "device": "cpu",
            "threads": 1,
            "checkpoint_steps": 5,
        }
        return TrainSpec(**{**settings, **changes})

    return make
