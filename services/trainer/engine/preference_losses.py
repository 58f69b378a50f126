"""Losses of training on preferences, as functions of log-likelihoods; a row or pair each, not averaged.

Log-likelihoods are those of an answer's tokens given its prompt, in nats, fp32 [count]: summed, or where a
loss says so, their mean over the tokens.
"""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid


def dpo(
    chosen_ratio: torch.Tensor, rejected_ratio: torch.Tensor, beta: float, smoothing: float
) -> torch.Tensor:
    """Direct preference optimization (Rafailov et al., arXiv 2305.18290).

    Args:
        chosen_ratio: log-likelihood of the better answer less that of the reference model.
        rejected_ratio: the same of the worse answer.
        beta: how dear it is to move away from the reference.
        smoothing: share of pairs that are taken to be labelled the wrong way round.
    """
    return _smoothed(beta * (chosen_ratio - rejected_ratio), smoothing)


def simpo(
    chosen: torch.Tensor, rejected: torch.Tensor, beta: float, gamma: float, smoothing: float
) -> torch.Tensor:
    """SimPO (Meng et al., arXiv 2405.14734): mean log-likelihoods, no reference, a margin of `gamma`."""
    return _smoothed(beta * (chosen - rejected) - gamma, smoothing)


def odds_ratio(chosen: torch.Tensor, rejected: torch.Tensor) -> torch.Tensor:
    """The odds ratio of ORPO (Hong et al., arXiv 2403.07691), of mean log-likelihoods, before its weight."""
    log_odds = (chosen - rejected) - (_log1mexp(chosen) - _log1mexp(rejected))
    return -logsigmoid(log_odds)


def kto(ratio: torch.Tensor, good: torch.Tensor, divergence: torch.Tensor, beta: float) -> torch.Tensor:
    """KTO (Ethayarajh et al., arXiv 2402.01306), before the weights of good and bad answers.

    Args:
        ratio: log-likelihood of the answer less that of the reference model.
        good: whether the answer is a good one, bool.
        divergence: how far the model has moved on the whole, 0-d, at least 0; no gradient goes through it.
        beta: how dear it is to move away from the reference.
    """
    gain = torch.where(good, ratio - divergence, divergence - ratio)
    return 1 - torch.sigmoid(beta * gain)


def _smoothed(margin: torch.Tensor, smoothing: float) -> torch.Tensor:
    return -logsigmoid(margin) * (1 - smoothing) - logsigmoid(-margin) * smoothing


def _log1mexp(value: torch.Tensor) -> torch.Tensor:
    """log(1 - exp(value)) of values below 0; a likelihood of one is taken for a little less."""
    return torch.log1p(-torch.exp(value.clamp(max=-1e-6)))
