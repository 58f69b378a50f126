"""A tiny random Llama with a ChatML tokenizer, made once, and servers on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from services.inference.engine.model import Model, load_model
from services.inference.engine.scheduler import Scheduler
from services.inference.engine.server import listening
from tests.unit.inference.engine.tiny import CHATML, flags

TEXT = [
    'user assistant system {"items": [{"quote": "The plant number 1 lies in Ostrel.", "question": "W?"}]}',
    "What is the capital of the country where the river Amber flows past the town of Ostrel?",
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # Tiny matrices gain nothing from more, and a busy machine makes threads wait for each other.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXT * 5, trainer)
    marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=CHATML, **marks)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def folder(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny-llama"
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=768,
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def model(folder: Path) -> Model:
    return load_model(flags(folder))


@pytest.fixture(scope="session")
def reference(folder: Path) -> Any:
    """The same weights, served by nothing but transformers."""
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)


@pytest.fixture
def scheduler(model: Model) -> Iterator[Scheduler]:
    scheduler = Scheduler(model, max_batch=4, max_queue=64)
    scheduler.start()
    yield scheduler
    scheduler.stop()
    assert not scheduler.alive


@pytest.fixture(scope="session")
async def url(folder: Path, model: Model) -> AsyncIterator[str]:
    async with listening(flags(folder, max_batch=4, max_queue=16), model) as port:
        yield f"http://127.0.0.1:{port}"
