"""How much a step computes: its products with weights, as the utilization of devices is counted.

Model operations are what the step needs (PaLM, arXiv 2204.02311, appendix B): for each real token and each
weight 2 forward, 2 backward to the activations, and 2 more where the weight learns. So a frozen base under
adapters counts 4 a weight, and one that learns 6. Hardware operations are what is really computed: padding
too, the output head at the positions where it runs only, and 2 more where activations are computed again.

Attention's own products are left out: 1 to 3 of 100 for rows of up to 2,048 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from services.trainer.engine.model import TrainableModel

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


@dataclass(frozen=True)
class Products:
    """Weights that a token is multiplied with."""

    body: int
    head: int
    """Those of the output head."""
    learned_body: int
    """Of the body's, those that learn."""
    learned_head: int

    def model_flops(self, tokens: int) -> int:
        """Operations that a step of so many real tokens needs."""
        frozen_way, learned = 4 * (self.body + self.head), self.learned_body + self.learned_head
        return tokens * (frozen_way + 2 * learned)

    def hardware_flops(self, computed: int, head_positions: int, *, recomputes: bool) -> int:
        """Operations of a step.

        Args:
            computed: tokens, padding included.
            head_positions: of them those at which the output head runs.
            recomputes: whether the forward pass is done again in the backward pass.
        """
        body = (6 if recomputes else 4) * self.body + 2 * self.learned_body
        return computed * body + head_positions * (4 * self.head + 2 * self.learned_head)


def products_of(trainable: TrainableModel) -> Products | None:
    """The products of a model; None of one with experts, of which a token meets only some."""
    causal = trainable.causal
    if any((getattr(causal.config, name, 0) or 0) > 1 for name in _EXPERTS):
        return None
    head = causal.get_output_embeddings()
    body = learned = of_head = learned_head = 0
    for module in trainable.adapted.modules():
        count, learns = _weights_in(module), _learns(module)
        if module is head:
            of_head, learned_head = count, count * learns
        else:
            body, learned = body + count, learned + count * learns
    return Products(body, of_head, learned, learned_head)


def _weights_in(module: nn.Module) -> int:
    """Weights of a linear layer; 0 of anything else, an adapter around one included."""
    if hasattr(module, "base_layer"):
        return 0
    # By their sizes: the weights themselves may be divided among devices, or have few bits.
    named: Any = module
    if isinstance(module, nn.Linear):
        return int(named.in_features * named.out_features)
    return int(named.weight.numel()) if type(module).__name__ == "Conv1D" else 0


def _learns(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.requires_grad
