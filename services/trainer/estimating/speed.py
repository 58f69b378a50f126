"""How long a training takes: a roofline of products and of what travels between devices, one after the other.

MFU (model FLOPs utilization, as PaLM defines it, arXiv 2204.02311) counts the operations that the training
cannot do without; HFU (hardware FLOPs utilization) also those of activations that are computed again. For N
weights that every token is multiplied with, `above` those from the lowest layer on that learns:

    forward 2 N, backward to activations 2 N (above), backward to weights 2 N (those of the base that learn)
    model FLOPs a token    = 4 N for LoRA, 6 N for full
    hardware FLOPs a token = model FLOPs + 2 N (above) where activations are computed again
    MFU = tokens/s x model FLOPs / (devices x peak);  HFU = tokens/s x hardware FLOPs / (devices x peak)

Attention's own products (0.7 % at rows of 711 tokens, 2 % at 2,048) and those of adapters are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from services.trainer.estimating.accelerators import Accelerator
from services.trainer.estimating.workloads import Workload

PASSES = 2
"""Of all weights through each device for a micro-batch at ZeRO-3: forward, and backward with recomputing."""


@dataclass(frozen=True)
class Rates:
    """What the devices reach; from the table, or measured by a probe."""

    peak: float
    """Operations a second of one device in the training's number format."""
    products: float
    """Operations a second that products reach."""
    gather: float
    """Bytes a second that a device receives while all gather."""
    measured: bool = False

    @classmethod
    def of(cls, accelerator: Accelerator, precision: str, products: float = 0, gather: float = 0) -> Rates:
        """Those of the table, with what was measured in their place."""
        peak = accelerator.peak(precision)
        return cls(
            peak,
            products or peak * accelerator.efficiency,
            gather or accelerator.gather_rate,
            measured=bool(products),
        )


@dataclass(frozen=True)
class Speed:
    """Of a step on all devices together."""

    step_tokens: float
    micro_batches: int
    """Of a step, on one device."""
    products_seconds: float
    gather_seconds: float
    reduce_seconds: float
    """In which the devices sum their gradients."""
    mfu: float
    hfu: float

    @property
    def step_seconds(self) -> float:
        """Of one optimizer step: nothing is taken to hide behind anything."""
        return self.products_seconds + self.gather_seconds + self.reduce_seconds

    @property
    def tokens_per_second(self) -> float:
        """Real tokens of all devices together."""
        return self.step_tokens / self.step_seconds


def speed_of(work: Workload, rates: Rates, step_tokens: float) -> Speed:
    """How long a step takes that has so many tokens on all devices together."""
    own = step_tokens / work.devices
    count = ceil(own / work.micro_tokens)
    products = own * hardware_flops(work) / rates.products
    gathers = count * gather_seconds(work, rates)
    reduce = reduce_seconds(work, rates)
    rate = own / (products + gathers + reduce) / rates.peak
    return Speed(
        step_tokens, count, products, gathers, reduce, rate * model_flops(work), rate * hardware_flops(work)
    )


def model_flops(work: Workload) -> float:
    """Operations for a token that the training cannot do without."""
    return 2.0 * work.architecture.multiplied + 2.0 * _reached(work) + 2.0 * _learned_products(work)


def hardware_flops(work: Workload) -> float:
    """The same, and those that are done again."""
    return model_flops(work) + (2.0 * _reached(work) if work.recompute else 0.0)


def _reached(work: Workload) -> float:
    """Weights whose products gradients go back through."""
    shape = work.architecture
    above = (shape.layers - work.first_layer) / shape.layers
    return above * (shape.multiplied - shape.head) + shape.head


def _learned_products(work: Workload) -> float:
    """Weights of the base that learn, the embedding left out, which is looked up."""
    if work.method == "lora":
        return 0.0
    shape = work.architecture
    if work.method == "full":
        return float(shape.multiplied)
    return float(min(work.learned, shape.multiplied))


def gather_seconds(work: Workload, rates: Rates) -> float:
    """In which all devices get all weights for one micro-batch, at ZeRO-3."""
    if work.stage < 3:
        return 0.0
    received = work.number_bytes * work.architecture.parameters * (work.devices - 1) / work.devices
    return PASSES * received / rates.gather


def reduce_seconds(work: Workload, rates: Rates) -> float:
    """In which the devices sum the gradients of a step, by a ring; ZeRO sums them in the weights' format."""
    if work.devices == 1:
        return 0.0
    size = work.number_bytes if work.stage else 4
    return 2.0 * size * work.learned * (work.devices - 1) / work.devices / rates.gather
