"""What one device does at a time in a training: the settings that its memory and its speed follow from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from services.trainer.estimating.architectures import Architecture, Weight

CPU, ACCELERATOR = "cpu", "accelerator"
NUMBER_BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
STATE_BYTES = {"adamw": 8.0, "adamw_8bit": 2.02, "adafactor": 0.0, "sgd": 0.0, "rmsprop": 4.0, "adagrad": 4.0}
"""Of an optimizer, for each learned weight: AdamW has two moments in fp32. adafactor's are of rows and
columns, next to nothing; adamw_8bit has a scale in fp32 for each 256 numbers (bitsandbytes)."""
QUANTIZED_BYTES = {4: 0.516, 8: 1.002}
"""Of one weight of a linear layer: NF4 with scales of 64 weights in a byte each and those of 256 scales in
fp32 (arXiv 2305.14314), or a byte with a scale in fp32 for each row."""


@dataclass(frozen=True)
class Workload:
    """A training as one device sees it."""

    architecture: Architecture
    device: str = ACCELERATOR
    """`cpu` or `accelerator`: their kernels keep different things."""
    devices: int = 1
    method: str = "lora"
    lora_rank: int = 16
    lora_targets: tuple[str, ...] = ()
    lean: bool = True
    """Whether adapters compute inside the frozen products; not with dropout, DoRA or ZeRO-3."""
    lora_dropout: bool = False
    freeze_layers: int = 2
    freeze_modules: tuple[str, ...] = ()
    freeze_extra_modules: tuple[str, ...] = ()
    precision: str = "bf16"
    quantization_bits: int = 0
    optimizer: str = "adamw"
    stage: int = 0
    """Of ZeRO."""
    offload: bool = False
    micro_tokens: int = 1024
    """Tokens of the largest micro-batch, padding included."""
    row_tokens: int = 1024
    """Tokens of its longest row."""
    learned_share: float = 1.0
    """Of the tokens of a micro-batch: those that are learned."""
    packed: bool = True
    recompute: bool = False
    """Gradient checkpointing: activations are computed again in the backward pass."""
    logits_positions: int = 2048
    """Most positions whose logits exist at the same time."""

    @property
    def number_bytes(self) -> int:
        """Bytes of a weight or an activation."""
        return NUMBER_BYTES[self.precision]

    @property
    def learned_tokens(self) -> int:
        """Tokens of a micro-batch that are learned."""
        return ceil(self.micro_tokens * self.learned_share)

    @property
    def logit_rows(self) -> int:
        """Positions whose logits exist at a time."""
        return min(self.learned_tokens, self.logits_positions)

    @property
    def partition(self) -> int:
        """Among how many devices ZeRO divides the weights."""
        return self.devices if self.stage == 3 else 1

    @cached_property
    def learned_weights(self) -> tuple[Weight, ...]:
        """The base's own tensors that learn."""
        if self.method == "lora":
            return ()
        if self.method == "full":
            return self.architecture.weights
        return tuple(each for each in self.architecture.weights if self._thaws(each.name))

    @cached_property
    def learned(self) -> int:
        """Number of weights that learn."""
        if self.method == "lora":
            return self.architecture.adapters(self.lora_rank, self.lora_targets)
        return sum(each.numbers for each in self.learned_weights)

    @cached_property
    def head_learns(self) -> bool:
        """Whether the output head learns."""
        embeddings = ("model.embed_tokens.weight", "transformer.wte.weight")
        names = embeddings if self.architecture.tied else ("lm_head.weight",)
        return any(each.name in names for each in self.learned_weights)

    @cached_property
    def embedding_learns(self) -> bool:
        """Whether the embedding learns."""
        return any(each.name.endswith(("embed_tokens.weight", "wte.weight")) for each in self.learned_weights)

    @cached_property
    def learning_layers(self) -> frozenset[int]:
        """Numbers of the layers in which something learns, adapters too."""
        if self.method == "lora":
            return frozenset(range(self.architecture.layers))
        found = (layer_of(each.name) for each in self.learned_weights)
        return frozenset(number for number in found if number is not None)

    @property
    def first_layer(self) -> int:
        """The lowest layer that gradients reach; below it nothing is kept."""
        if self.embedding_learns:
            return 0
        return min(self.learning_layers, default=self.architecture.layers)

    def _thaws(self, name: str) -> bool:
        """Whether method `freeze` lets a tensor learn."""
        number = layer_of(name)
        dotted = f".{name}."
        if any(f".{wanted}." in dotted for wanted in self.freeze_extra_modules):
            return True
        if number is None or not self._is_chosen(number):
            return False
        return not self.freeze_modules or any(f".{wanted}." in dotted for wanted in self.freeze_modules)

    def _is_chosen(self, number: int) -> bool:
        if self.freeze_layers < 0:
            return number < -self.freeze_layers
        return number >= self.architecture.layers - self.freeze_layers


def layer_of(name: str) -> int | None:
    """The number of the layer that a tensor's name stands in; None outside of layers."""
    parts = name.split(".")
    for place, part in enumerate(parts[:-1]):
        if part in {"layers", "h"} and parts[place + 1].isdigit():
            return int(parts[place + 1])
    return None
