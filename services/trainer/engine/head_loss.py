"""Cross-entropy through the output head, a few positions at a time.

Logits are the largest tensor of a step: 4,096 positions of a vocabulary of 152,000 are 2.5 GB in fp32, and
plain autograd keeps three like it. Here a chunk's logits become its gradient at once and are gone; what stays
is the gradient of the hidden states (as in Liger Kernel, arXiv 2410.10989), and the backward pass is free.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class HeadEnd(NamedTuple):
    """What a model does to its logits after the output head."""

    scale: float = 1.0
    """They are multiplied by it."""
    cap: float = 0.0
    """They become cap * tanh(logits / cap); 0 leaves them."""

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits as the model gives them."""
        scaled = logits if self.scale == 1.0 else logits * self.scale
        return self.cap * torch.tanh(scaled / self.cap) if self.cap else scaled

    def slope(self, logits: torch.Tensor) -> torch.Tensor | float:
        """Derivative, at logits as the model gives them."""
        return self.scale * (1 - (logits / self.cap).square()) if self.cap else self.scale


PLAIN = HeadEnd()


def head_ends(config: Any) -> list[HeadEnd]:
    """What a model may do after its head, by its configuration; nothing comes first."""
    ends = [PLAIN]
    for name, invert in (("logits_scaling", True), ("logit_scale", False)):
        value = getattr(config, name, None)
        if isinstance(value, (int, float)) and value:
            ends.append(HeadEnd(scale=1 / value if invert else value))
    cap = getattr(config, "final_logit_softcapping", None)
    return [*ends, HeadEnd(cap=cap)] if cap else ends


def is_frozen_linear(head: Any) -> bool:
    """Tell whether the head is W h + b, learns nothing and is here, which `token_cross_entropy` asks for.

    Of a head that DeepSpeed divides, which marks its weights, the weight is here only while it is called.
    """
    if type(head) is not nn.Linear:
        return False
    return not any(each.requires_grad or hasattr(each, "ds_id") for each in head.parameters())


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
    hidden: torch.Tensor, head: nn.Linear, targets: torch.Tensor, chunk: int, end: HeadEnd = PLAIN
) -> torch.Tensor:
    """The same of each position by itself, fp32 [positions]; `end` is what the model does after the head."""
    losses: torch.Tensor = _ChunkedLoss.apply(hidden, head.weight, head.bias, targets, chunk, end)
    return losses


def learned_cross_entropy(
    hidden: torch.Tensor,
    head: nn.Module,
    targets: torch.Tensor,
    chunk: int,
    end: HeadEnd = PLAIN,
    agreed: Callable[[int], int] = int,
) -> torch.Tensor:
    """The same through a head that learns, or that is no plain linear layer, fp32 [positions].

    The gradient of its weights needs each position's share of the loss, which is known in the backward pass
    only: there a chunk's logits are computed once more.

    Args:
        hidden: see `summed_cross_entropy`; the next two as well.
        head: what gives logits.
        targets: token ids.
        chunk: most positions whose logits exist at the same time.
        end: what the model does after the head.
        agreed: how often all processes call the head, of how often this one needs to; a head that is divided
            among them is fetched by all at each call.
    """

    def part(states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(end(head(states)).float(), wanted, reduction="none")

    count = agreed(max(1, -(-len(targets) // chunk)))
    if count == 1:
        return part(hidden, targets)
    parts = zip(torch.tensor_split(hidden, count), torch.tensor_split(targets, count), strict=True)
    found = [checkpoint(part, *each, use_reentrant=False, preserve_rng_state=False) for each in parts]
    return torch.cat(found)


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        chunk: int,
        end: HeadEnd,
    ) -> torch.Tensor:
        wants_gradient = ctx.needs_input_grad[0]
        gradient = torch.empty_like(hidden) if wants_gradient else None
        losses = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            here = targets[part, None]
            logits = end(nn.functional.linear(hidden[part], weight, bias))
            likelihood = torch.log_softmax(logits, -1, dtype=torch.float32)
            losses[part] = -likelihood.gather(1, here)[:, 0]
            if gradient is not None:
                slope = end.slope(logits)
                # The logits' own memory takes softmax(logits) - onehot(targets).
                torch.exp(likelihood, out=logits)
                logits.scatter_add_(1, here, torch.full_like(here, -1, dtype=logits.dtype))
                if end != PLAIN:
                    logits *= slope
                torch.mm(logits, weight, out=gradient[part])
            # Else they would live on beside the next chunk's: 6 bytes a logit more at the peak.
            del logits, likelihood
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        # In fp32: 1 / positions rounded to bf16 would scale every gradient of the step.
        return (gradient.float() * grads[0][:, None]).to(gradient.dtype), None, None, None, None, None
