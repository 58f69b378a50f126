"""Bytes a token that autograd keeps of a layer of a model, and what lives beside them at the worst moment."""

from __future__ import annotations

from services.trainer.estimating.architectures import GPT2, Linear
from services.trainer.estimating.workloads import ACCELERATOR, Workload

SHORT_ROWS = {2: 512, 4: 128}
"""By bytes of a number: rows up to this long attend by plain products on a CPU (the engine's `attention`)."""


def layer_bytes(work: Workload, *, learns: bool) -> float:
    """What is kept of a layer for its backward pass; `learns`: whether it has weights or adapters that do."""
    if work.architecture.kind == GPT2:
        return _plain_layer(work, learns=learns) + _adapters(work)
    return (
        _norms(work, learns=learns)
        + _attention(work, learns=learns)
        + _mlp(work, learns=learns)
        + _adapters(work)
    )


def layer_spike(work: Workload) -> float:
    """What the backward pass of a layer has at its fullest beside all that is kept."""
    shape, size = work.architecture, work.number_bytes
    return size * (2 * _mlp_width(work) + 2 * shape.hidden)


def _mlp_width(work: Workload) -> int:
    shape = work.architecture
    return shape.active_experts * shape.ffn + shape.shared_ffn if shape.experts else shape.ffn


def _norms(work: Workload, *, learns: bool) -> float:
    """Two norms: their inputs, in fp32 unless one kernel does all, and their outputs where needed."""
    shape, size = work.architecture, work.number_bytes
    fused = work.device == ACCELERATOR and work.stage < 3
    kept = 2.0 * shape.hidden * (size if fused else 4)
    for inputs in (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")):
        kept += shape.hidden * size if _keeps_input(work, inputs, learns=learns) else 0
    if learns and work.method != "lora" and not fused:
        # Before they are scaled by their weights, which learn.
        kept += 2 * shape.hidden * size
    if shape.qk_norm:
        kept += (shape.query_width + shape.key_width) * (size if fused else 4)
    return kept


def _attention(work: Workload, *, learns: bool) -> float:
    """Queries, keys, values and output; the scores where rows are short on a CPU, else a number a head."""
    shape, size = work.architecture, work.number_bytes
    kept = float(size * (shape.query_width + 2 * shape.key_width))
    if not _is_short(work):
        return kept + size * shape.query_width + 4 * shape.heads
    kept += size * shape.heads * work.row_tokens
    return kept + (size * shape.query_width if _keeps_input(work, ("o_proj",), learns=learns) else 0)


def _mlp(work: Workload, *, learns: bool) -> float:
    """The gate before and after its activation, what it is multiplied with, and the product if needed."""
    width = work.number_bytes * _mlp_width(work)
    return width * (4.0 if _keeps_input(work, ("down_proj",), learns=learns) else 3.0)


def _keeps_input(work: Workload, names: tuple[str, ...], *, learns: bool) -> bool:
    """Whether linear layers keep what they get: a frozen one needs its own weights alone.

    With dropout adapters keep what was left of it in its place.
    """
    if work.method != "lora":
        return learns
    return not work.lora_dropout and any(each.name.endswith(names) for each in _targets(work))


def _plain_layer(work: Workload, *, learns: bool) -> float:
    """GPT-2's: layer norms keep their inputs, the activation of the MLP is written as six operations."""
    shape, size = work.architecture, work.number_bytes
    kept = 2.0 * shape.hidden * size + (2 * shape.hidden * size if learns else 0)
    kept += size * 3 * shape.hidden + size * shape.hidden + _plain_scores(work)
    return kept + size * shape.ffn * (5 if learns else 4)


def _plain_scores(work: Workload) -> float:
    """Of GPT-2's attention; where it drops some, also the noise and what that left, and noise of the sums."""
    shape, size = work.architecture, work.number_bytes
    if work.device == ACCELERATOR:
        return 4.0 * shape.heads + (2 * shape.hidden if shape.dropout else 0)
    if shape.dropout:
        # By torch's plain products, which compute in fp32.
        return 3.0 * 4 * shape.heads * work.row_tokens + 2 * shape.hidden * size
    return float(size * shape.heads * work.row_tokens) if _is_short(work) else 4.0 * shape.heads


def _adapters(work: Workload) -> float:
    """What lies between A and B; with dropout also what A got, and the noise."""
    if work.method != "lora":
        return 0.0
    targets, size = _targets(work), work.number_bytes
    kept = float(size * work.lora_rank * len(targets))
    return kept + (sum(2 * size * each.inputs for each in targets) if work.lora_dropout else 0)


def _targets(work: Workload) -> tuple[Linear, ...]:
    return work.architecture.targeted(work.lora_targets)


def _is_short(work: Workload) -> bool:
    return work.device != ACCELERATOR and 1 < work.row_tokens <= SHORT_ROWS[work.number_bytes]
