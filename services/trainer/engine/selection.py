"""Which weights of the base itself learn, by methods `full` and `freeze`."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from services.trainer.engine.errors import BaseModelError
from services.trainer.engine.parallel.divided import is_divided
from services.trainer.engine.spec import TrainSpec


def select(causal: nn.Module, spec: TrainSpec) -> None:
    """Let the weights that the spec names learn, and no others.

    Raises:
        BaseModelError: it names what the model does not have.
    """
    if spec.method == "full":
        causal.requires_grad_(True)
    else:
        causal.requires_grad_(False)
        for parameter in _named(causal, spec):
            parameter.requires_grad_(True)
    _make_alike(causal)
    torch.manual_seed(spec.seed)


def _named(causal: nn.Module, spec: TrainSpec) -> list[nn.Parameter]:
    """The weights that `freeze` names: those of the first or last layers, and the extra ones."""
    chosen: list[nn.Parameter] = []
    within = _layers(causal, spec.freeze_layers) if spec.freeze_layers else {}
    if not spec.freeze_modules:
        chosen += within.values()
    for wanted in spec.freeze_modules:
        chosen += _matching(within, wanted, "freeze_modules")
    everything = dict(causal.named_parameters(remove_duplicate=False))
    for wanted in spec.freeze_extra_modules:
        chosen += _matching(everything, wanted, "freeze_extra_modules")
    return chosen


def _layers(causal: nn.Module, count: int) -> dict[str, nn.Parameter]:
    """Weights of the last `count` layers, or of the first `-count`, by name."""
    name, layers = _layer_list(causal)
    if abs(count) > len(layers):
        raise BaseModelError(f"freeze_layers: the model has {len(layers)} layers, not {abs(count)}")
    numbers = range(len(layers))[-count:] if count > 0 else range(-count)
    return {
        f"{name}.{number}.{inner}": parameter
        for number in numbers
        for inner, parameter in layers[number].named_parameters()
    }


def _layer_list(causal: Any) -> tuple[str, nn.ModuleList]:
    """The model's stack of layers: the outermost list with as many members as its config has layers."""
    config = causal.config.get_text_config()
    for name, module in causal.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == config.num_hidden_layers:
            return name, module
    raise BaseModelError("freeze_layers: the model has no list of layers; use freeze_extra_modules or full")


def _matching(parameters: dict[str, nn.Parameter], wanted: str, field: str) -> list[nn.Parameter]:
    """Those whose dotted name has the wanted one in it, whole parts of names only."""
    found = [each for name, each in parameters.items() if f".{wanted}." in f".{name}."]
    if not found:
        raise BaseModelError(f"{field}: no module named {wanted!r} there; names are like self_attn.q_proj")
    return found


def _make_alike(causal: nn.Module) -> None:
    """Give all that learns one number format: some models keep a few weights in another."""
    learned = [each for each in causal.parameters() if each.requires_grad]
    if any(is_divided(each) for each in learned):
        # DeepSpeed has given them one when it divided them.
        return
    wanted = max(learned, key=lambda each: each.numel()).dtype
    for each in learned:
        each.data = each.data.to(wanted)
