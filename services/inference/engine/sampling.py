"""From logits to tokens: masks, temperature, nucleus."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch

_TOP = 256


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How one completion is drawn."""

    temperature: float = 1.0
    """Divisor of the logits; 0 takes the likeliest token."""
    top_p: float = 1.0
    """Draw from the smallest set of tokens whose probabilities sum to this much."""
    max_tokens: int = 1024
    """Most tokens of the completion, the end token included."""
    stop: tuple[str, ...] = ()
    """Strings before which the completion ends; they are not part of it."""
    seed: int | None = None
    """Seed of the draws; unset takes a fresh one."""


def sample(logits: torch.Tensor, params: list[SamplingParams], draws: list[random.Random]) -> list[int]:
    """Draw one token per row.

    Args:
        logits: [rows, vocab_size] in fp32; forbidden tokens are -inf. Changed in place.
        params: of each row.
        draws: source of uniform numbers of each row; consulted once where the temperature is not 0.

    Returns:
        Token ids, one per row.
    """
    tokens: list[int] = logits.argmax(-1).tolist()
    hot = [row for row, its in enumerate(params) if its.temperature > 0]
    if not hot:
        return tokens
    temperatures = torch.tensor([[params[row].temperature] for row in hot], device=logits.device)
    probabilities = (logits[hot] / temperatures).softmax(-1)
    for index, row in enumerate(hot):
        if params[row].top_p < 1:
            _keep_nucleus(probabilities[index], params[row].top_p)
    sums = probabilities.cumsum(-1, dtype=torch.float64)
    # random() is below 1, so the drawn point is below the total and falls on a token of non-zero width.
    points = torch.tensor([[draws[row].random()] for row in hot], dtype=torch.float64, device=logits.device)
    drawn = torch.searchsorted(sums, points * sums[:, -1:], right=True)
    for row, token in zip(hot, drawn[:, 0].tolist(), strict=True):
        tokens[row] = min(token, logits.shape[1] - 1)
    return tokens


def _keep_nucleus(probabilities: torch.Tensor, top_p: float) -> None:
    """Zero, in place, what is outside the smallest set that holds `top_p` (arXiv:1904.09751)."""
    # Sorting the whole vocabulary costs more than a decoding step; the nucleus nearly always is in the top.
    values, indices = probabilities.topk(min(_TOP, len(probabilities)))
    if float(values.sum()) < top_p:
        values, indices = probabilities.sort(descending=True)
    kept = values.cumsum(0) - values < top_p
    values, indices = values[kept], indices[kept]
    probabilities.zero_()
    probabilities[indices] = values
