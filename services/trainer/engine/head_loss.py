"""Cross-entropy through the output head, a few positions at a time.

Logits are the largest tensor of a step: 4,096 positions of a vocabulary of 152,000 are 2.5 GB in fp32, and
plain autograd keeps three like it. Here a chunk's logits become its gradient at once and are gone; what stays
is the gradient of the hidden states (as in Liger Kernel, arXiv 2410.10989), and the backward pass is free.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def is_frozen_linear(head: Any) -> bool:
    """Tell whether the head is W h + b and learns nothing, which `token_cross_entropy` asks for."""
    return type(head) is nn.Linear and not any(each.requires_grad for each in head.parameters())


def summed_cross_entropy(
    hidden: torch.Tensor, head: nn.Linear, targets: torch.Tensor, chunk: int
) -> torch.Tensor:
    """Cross-entropy of `targets` [positions] given hidden states [positions, size], summed, fp32.

    Args:
        hidden: what the head is applied to.
        head: frozen; weight [vocabulary, size].
        targets: token ids, int64.
        chunk: positions whose logits exist at the same time.
    """
    return token_cross_entropy(hidden, head, targets, chunk).sum()


def token_cross_entropy(
    hidden: torch.Tensor, head: nn.Linear, targets: torch.Tensor, chunk: int
) -> torch.Tensor:
    """The same of each position by itself, fp32 [positions]."""
    losses: torch.Tensor = _ChunkedLoss.apply(hidden, head.weight, head.bias, targets, chunk)
    return losses


def learned_head_cross_entropy(
    hidden: torch.Tensor, head: nn.Module, targets: torch.Tensor, chunk: int
) -> torch.Tensor:
    """The same through a head that learns, or that is no plain linear layer, fp32 [positions].

    The gradient of its weights needs each position's share of the loss, which is known in the backward pass
    only: there a chunk's logits are computed once more.
    """
    if len(targets) <= chunk:
        return _head_losses(head, hidden, targets)
    parts = [
        checkpoint(
            _head_losses,
            head,
            hidden[start : start + chunk],
            targets[start : start + chunk],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        for start in range(0, len(targets), chunk)
    ]
    return torch.cat(parts)


def _head_losses(head: nn.Module, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(head(hidden).float(), targets, reduction="none")


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        chunk: int,
    ) -> torch.Tensor:
        wants_gradient = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wants_gradient else None
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            here = targets[part, None]
            logits = nn.functional.linear(hidden[part], weight, bias)
            likelihood = torch.log_softmax(logits, -1, dtype=torch.float32)
            losses[part] = -likelihood.gather(1, here)[:, 0]
            if gradient is not None:
                # The logits' own memory takes softmax(logits) - onehot(targets).
                torch.exp(likelihood, out=logits)
                logits.scatter_add_(1, here, torch.full_like(here, -1, dtype=logits.dtype))
                torch.mm(logits, weight, out=gradient[part])
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        # In fp32: 1 / positions rounded to bf16 would scale every gradient of the step.
        return (gradient.float() * grads[0][:, None]).to(gradient.dtype), None, None, None, None
