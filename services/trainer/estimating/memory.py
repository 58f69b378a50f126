"""Bytes that one device holds at the fullest moment of a training, by what they are for.

The counts follow the engine: what autograd keeps of each layer, and what lives beside it at the moments that
can be the fullest (the loss, the backward pass of a layer, the embedding's gradient, the update).
`make bench-estimate` holds them against what torch's allocator gives out on a CPU.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from services.trainer.estimating.layers import layer_bytes, layer_spike
from services.trainer.estimating.workloads import ACCELERATOR, CPU, QUANTIZED_BYTES, STATE_BYTES, Workload

ACCELERATOR_FIXED = 2e9
"""Context of the device, buffers of the collectives. Assumed: about 1 to 2 GB by all accounts, measured by
nobody here for a DCU."""
PROCESS_FIXED = 0.85e9
"""Resident set of a process on a CPU that has torch, transformers and peft, and no model: 838 MB measured."""
FRAGMENTATION = 0.05
"""Share of what comes and goes in a step that the caching allocator cannot use for something else."""
LIVE_WEIGHTS = 1_000_000_000
PREFETCHED_WEIGHTS = 50_000_000
LARGEST_BUCKET, SMALLEST_BUCKET = 500_000_000, 1_000_000
"""Weights that ZeRO-3 has gathered at most, and fetches ahead; weights of a bucket. As in the engine's
zero_config."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a device at its fullest moment."""

    weights: float
    gradients: float
    optimizer: float
    """Its state, and the fp32 copies of the learned weights."""
    activations: float
    """What the backward pass needs, and what lives beside it in the layer that is at work."""
    logits: float
    gather: float
    """Weights that ZeRO-3 has fetched from the other devices."""
    buffers: float
    """Of ZeRO's collectives, and copies of the state while a checkpoint is written from a CPU."""
    fragmentation: float
    fixed: float
    """What the process takes whatever it trains."""

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(asdict(self).values()))

    @property
    def tensors(self) -> float:
        """What torch's allocator gives out: without fragmentation and what is fixed."""
        return self.total - self.fragmentation - self.fixed

    @property
    def largest(self) -> str:
        """Name of the largest component."""
        return max((each.name for each in fields(self)), key=lambda name: float(getattr(self, name)))


@dataclass(frozen=True)
class _Moment:
    """What comes and goes within a step, at one moment of it."""

    activations: float = 0.0
    logits: float = 0.0
    buffers: float = 0.0

    @property
    def total(self) -> float:
        return self.activations + self.logits + self.buffers


def memory_of(work: Workload) -> Memory:
    """What a device holds at its fullest moment."""
    moment = max(_moments(work), key=lambda each: each.total)
    lasting = _buckets(work)
    passing = moment.total + _gathered(work)
    on_device = work.device == ACCELERATOR
    return Memory(
        weights=_weights(work),
        gradients=_gradients(work),
        optimizer=_optimizer(work),
        activations=moment.activations,
        logits=moment.logits,
        gather=_gathered(work),
        buffers=moment.buffers + lasting,
        fragmentation=FRAGMENTATION * passing if on_device else 0.0,
        fixed=ACCELERATOR_FIXED if on_device else PROCESS_FIXED,
    )


def _weights(work: Workload) -> float:
    """The base, quantized in its linear layers if so, and adapters; ZeRO-3 keeps adapters whole."""
    shape, size = work.architecture, work.number_bytes
    if work.offload and work.stage == 3:
        base = 0.0
    elif work.quantization_bits:
        linear = shape.layers * sum(each.inputs * each.outputs for each in shape.linears)
        base = QUANTIZED_BYTES[work.quantization_bits] * linear + size * (shape.parameters - linear)
    else:
        base = size * shape.parameters / work.partition
    return base + (size * work.learned if work.method == "lora" else 0.0)


def _gradients(work: Workload) -> float:
    """In the precision of the weights; where that is not fp32 their sum over micro-batches beside them."""
    if work.offload and work.stage:
        return float(work.number_bytes * work.learned)
    if work.stage:
        whole = work.number_bytes * work.learned
        return whole + (4 * work.learned / work.devices if work.stage > 1 else 4 * work.learned)
    return float(work.learned * (work.number_bytes + (4 if work.number_bytes < 4 else 0)))


def _optimizer(work: Workload) -> float:
    if work.offload and work.stage:
        return 0.0
    copies = 4 if work.number_bytes < 4 or work.stage else 0
    return work.learned * (STATE_BYTES[work.optimizer] + copies) / (work.devices if work.stage else 1)


def _gathered(work: Workload) -> float:
    if work.stage < 3:
        return 0.0
    ahead = max(PREFETCHED_WEIGHTS, work.architecture.hidden**2)
    return float(work.number_bytes * min(work.architecture.parameters, LIVE_WEIGHTS + ahead))


def _buckets(work: Workload) -> float:
    """Of ZeRO: gradients on their way, and weights on their way back."""
    if not work.stage:
        return 0.0
    return 2.0 * work.number_bytes * min(LARGEST_BUCKET, max(SMALLEST_BUCKET, work.learned))


def _moments(work: Workload) -> list[_Moment]:
    """The moments of a step that can be the fullest."""
    kept = _kept(work)
    again = layer_bytes(work, learns=True) * work.micro_tokens if work.recompute else 0.0
    spike = layer_spike(work) * work.micro_tokens
    # The head's gradient stays until the embedding has its part of it, where both are one.
    held = _head_gradient(work) if work.architecture.tied else 0.0
    return [
        _Moment(activations=kept + _ends(work), logits=_logits(work)),
        _Moment(activations=kept + again + spike + held + _weight_gradient(work)),
        _Moment(activations=2 * held if held else _embedding_gradient(work)),
        _Moment(buffers=_update(work)),
        _Moment(buffers=_checkpoint(work)),
    ]


def _kept(work: Workload) -> float:
    """Of all layers that gradients go through."""
    shape = work.architecture
    kept = 0.0
    for number in range(work.first_layer, shape.layers):
        if work.recompute:
            kept += shape.hidden * work.number_bytes
        else:
            kept += layer_bytes(work, learns=number in work.learning_layers)
    return kept * work.micro_tokens


def _ends(work: Workload) -> float:
    """The last hidden states, those at learned positions, and their gradient."""
    size = work.architecture.hidden * work.number_bytes
    return 2.0 * size * (work.micro_tokens + work.learned_tokens)


def _logits(work: Workload) -> float:
    """Of a chunk: as the head gives them, and fp32 log-likelihoods; where it learns, gradients too."""
    size = work.number_bytes
    frozen = 4.0 + size + (4.0 if size < 4 else 0.0)
    each = 12.0 if work.head_learns or work.stage == 3 else frozen
    return each * work.logit_rows * work.architecture.vocabulary


def _head_gradient(work: Workload) -> float:
    return float(work.number_bytes * work.architecture.head) if work.head_learns else 0.0


def _embedding_gradient(work: Workload) -> float:
    return float(work.number_bytes * work.architecture.head) if work.embedding_learns else 0.0


def _weight_gradient(work: Workload) -> float:
    """Of the largest matrix that learns, before it is added to the others' sum."""
    if work.method == "lora":
        return 0.0
    largest = max((each.inputs * each.outputs for each in work.architecture.linears), default=0)
    return float(work.number_bytes * largest)


def _update(work: Workload) -> float:
    """What the optimizer makes and drops again."""
    return 4.0 * work.learned if work.optimizer in {"rmsprop", "adagrad"} else 0.0


def _checkpoint(work: Workload) -> float:
    """On a CPU: a copy of all that a checkpoint has."""
    if work.device != CPU or work.stage:
        return 0.0
    return work.learned * (4.0 + STATE_BYTES[work.optimizer])
