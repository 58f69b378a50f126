"""How long a step takes and what a card must hold where ZeRO-3 divides a model: arithmetic, no measurement.

The figures of a card are public or derived from one published run (docs/training.md says which); they tell
plans apart, and are no promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

LARGEST_MICRO_BATCH = 16_384
"""Tokens; the engine makes none that is larger."""
MICRO_BATCH_STEP = 1024
LOGIT_POSITIONS = 2048
"""Positions whose logits the engine has at a time."""
LOGIT_BYTES = 10
"""Of one logit: bf16, and twice fp32."""
LIVE_BYTES = 2e9
"""Weights that ZeRO-3 has gathered at a time: `stage3_max_live_parameters` in bf16."""
FIXED_BYTES = 2e9
"""Context, buffers of the collectives, gaps of the allocator."""
USABLE = 0.8
"""Share of a card that a plan may fill: estimates below it are not known to run out (arXiv 2411.06465)."""


@dataclass(frozen=True)
class ModelShape:
    """A decoder with grouped-query attention, gated MLPs, and an output head of its own."""

    layers: int
    hidden: int
    kv_width: int
    """Width of all key heads together."""
    ffn: int
    vocabulary: int
    lora_rank: int

    @property
    def head(self) -> int:
        """Weights of the output head."""
        return self.vocabulary * self.hidden

    @property
    def multiplied(self) -> int:
        """Weights that every token is multiplied with."""
        attention = 2 * self.hidden**2 + 2 * self.hidden * self.kv_width
        return self.layers * (attention + 3 * self.hidden * self.ffn) + self.head

    @property
    def parameters(self) -> int:
        """All weights; the few of norms and biases are left out."""
        return self.multiplied + self.head

    @property
    def adapters(self) -> int:
        """Weights of LoRA on every linear layer but the head."""
        attention = 4 * self.hidden + 2 * (self.hidden + self.kv_width)
        return self.layers * self.lora_rank * (attention + 3 * (self.hidden + self.ffn))

    @property
    def layer_bytes(self) -> int:
        """Activations of a layer for one token, in bf16 with fp32 norms."""
        return (7 * self.hidden + 2 * self.kv_width) * 2 + 4 * self.ffn * 2 + 4 * self.hidden * 4


@dataclass(frozen=True)
class Cards:
    """Cards of one kind."""

    count: int
    flops: float
    """Largest number of bf16 operations a second, of one card."""
    efficiency: float
    """Share of it that matrix products reach."""
    memory_bytes: float
    """Of one card."""
    gather_rate: float
    """Bytes a second that a card receives while all gather weights."""


@dataclass(frozen=True)
class Plan:
    """How each card goes through its share of a step."""

    micro_tokens: int
    """Tokens of a micro-batch."""
    recompute: bool
    """Whether activations are computed again in the backward pass."""


def step_seconds(shape: ModelShape, cards: Cards, plan: Plan, tokens: float) -> float:
    """Seconds of a step of so many tokens a card: gathers and products, one after the other."""
    return ceil(tokens / plan.micro_tokens) * gather_seconds(shape, cards) + products_seconds(
        shape, cards, tokens, recompute=plan.recompute
    )


def gather_seconds(shape: ModelShape, cards: Cards) -> float:
    """Seconds in which a micro-batch gets all weights twice, for its forward and its backward pass."""
    received = 2 * shape.parameters * (cards.count - 1) / cards.count
    return 2 * received / cards.gather_rate


def products_seconds(shape: ModelShape, cards: Cards, tokens: float, *, recompute: bool) -> float:
    """Seconds of the matrix products: forward and, as frozen weights need no gradient, once backward."""
    operations = (6 if recompute else 4) * shape.multiplied
    return tokens * operations / (cards.flops * cards.efficiency)


def card_bytes(shape: ModelShape, cards: Cards, plan: Plan) -> float:
    """What a card holds at its fullest."""
    weights = (2 * shape.parameters + 18 * shape.adapters) / cards.count
    layers = shape.layers * (2 * shape.hidden if plan.recompute else shape.layer_bytes)
    activations = plan.micro_tokens * (layers + shape.layer_bytes)
    logits = min(plan.micro_tokens, LOGIT_POSITIONS) * shape.vocabulary * LOGIT_BYTES
    return weights + activations + logits + LIVE_BYTES + FIXED_BYTES


def fastest(shape: ModelShape, cards: Cards, tokens: float) -> Plan:
    """The fastest plan that fits for steps of so many tokens a card; of equals, the one with most to spare.

    Raises:
        ValueError: none fits.
    """
    fitting = [plan for plan in _plans() if card_bytes(shape, cards, plan) <= USABLE * cards.memory_bytes]
    if not fitting:
        raise ValueError("no micro-batch fits on these cards")
    return min(fitting, key=lambda plan: (step_seconds(shape, cards, plan, tokens), -plan.micro_tokens))


def _plans() -> Iterator[Plan]:
    for micro_tokens in range(MICRO_BATCH_STEP, LARGEST_MICRO_BATCH + 1, MICRO_BATCH_STEP):
        yield Plan(micro_tokens, recompute=False)
        yield Plan(micro_tokens, recompute=True)
