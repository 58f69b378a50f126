"""What the tests of the engine share beside fixtures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast

from services.trainer.engine.conversations import Encoder, Rules
from services.trainer.engine.data import Encoded, Sample, parse_row, read_lines
from services.trainer.engine.events import read_events
from services.trainer.engine.rendering import Renderer, RenderSettings
from services.trainer.engine.spec import TrainSpec

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MakeSpec = Callable[..., TrainSpec]
Messages = list[dict[str, str]]


def conversation(question: str, answer: str) -> Messages:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def write_rows(path: Path, conversations: list[Messages]) -> Path:
    rows = [json.dumps({"id": f"row-{i}", "messages": each}) for i, each in enumerate(conversations)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def encode_rows(
    path: Path, tokenizer: Any, cutoff: int = 512, settings: RenderSettings | None = None, **rules: Any
) -> list[Encoded]:
    """What the conversations of a file become."""
    encoder = Encoder(tokenizer, Renderer(tokenizer, settings), Rules(cutoff, **rules))
    return [encoder.row(parse_row(content), line) for line, content in read_lines(path)]


def read_samples(path: Path, tokenizer: Any, cutoff: int = 512, **rules: Any) -> list[Sample]:
    """The samples of the conversations of a file."""
    rows = encode_rows(path, tokenizer, cutoff, **rules)
    return [sample for row in rows for item in row.items for sample in item.sequences]


def events_of(spec: TrainSpec, kind: str) -> list[dict[str, Any]]:
    return [event for event, _ in read_events(spec.output_dir / "events.jsonl") if event["type"] == kind]


def adapters(adapted: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in adapted.named_parameters() if weight.requires_grad}


def excite(adapted: nn.Module) -> None:
    """Give the B matrices, zero at first, values, so that the adapters matter."""
    torch.manual_seed(1)
    for name, weight in adapters(adapted).items():
        if "lora_B" in name:
            with torch.no_grad():
                weight.copy_(torch.randn(weight.shape) * 0.1)


def gradients(adapted: nn.Module) -> dict[str, torch.Tensor]:
    """The adapters' gradients, fp32 copies on the CPU."""
    found = {name: weight.grad for name, weight in adapters(adapted).items()}
    return {name: each.detach().float().cpu().clone() for name, each in found.items() if each is not None}


def make_tokenizer() -> Any:
    """A byte-level BPE of 300 tokens with ChatML marks, which loses no text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["user assistant system the town of Ostrel lies by the river Amber"] * 5, trainer)
    marks = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    return PreTrainedTokenizerFast(tokenizer_object=bpe, chat_template=CHATML, **marks)  # type: ignore[no-untyped-call]
