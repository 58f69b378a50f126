"""PiSSA (Meng et al., arXiv 2404.02948): adapters that begin as the main part of the weights.

A and B begin with the largest singular values of W, and the base keeps the rest, so that training moves what
matters most. What is published must work on the base as it is: it is the difference to the beginning,
B A - B0 A0, an ordinary adapter of twice the rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import Linear
from safetensors.torch import load_file, save_file
from torch import nn

from services.trainer.engine.files import sync
from services.trainer.engine.parallel import group, place
from services.trainer.engine.parallel.divided import fetched

START_FILE = "pissa.safetensors"
"""In the run's folder: A0 and B0, for a resume to begin with the very same."""
_ADAPTER = "default"
_ITERATIONS = 8
_SPARE = 16
"""More singular vectors than are wanted make those that are wanted exact."""


@torch.no_grad()
def begin(model: nn.Module, folder: Path) -> None:
    """Move the main part of each adapted weight from the base into its adapter.

    Every process must call it: the first looks for the main parts, the others are told.

    Args:
        model: with fresh adapters.
        folder: of the run; where it began before, it begins with the same.
    """
    path = folder / START_FILE
    known = load_file(path) if place.is_first() and path.is_file() else {}
    for name, layer in _layers(model):
        with fetched([layer.base_layer.weight], first_changes=True):
            _begin_layer(name, layer, known)
    if place.is_first():
        _keep(known, path)


def _begin_layer(name: str, layer: Any, known: dict[str, torch.Tensor]) -> None:
    weight = layer.base_layer.weight
    a, b = layer.lora_A[_ADAPTER].weight, layer.lora_B[_ADAPTER].weight
    scale = layer.scaling[_ADAPTER]
    if place.is_first():
        if f"{name}.A" not in known:
            known[f"{name}.A"], known[f"{name}.B"] = _main_part(weight, len(a), scale, a.dtype)
        a.copy_(known[f"{name}.A"])
        b.copy_(known[f"{name}.B"])
    group.as_first(a)
    group.as_first(b)
    layer.register_buffer("start_A", a.detach().clone(), persistent=False)
    layer.register_buffer("start_B", b.detach().clone(), persistent=False)
    weight.copy_(weight.float() - scale * b.float() @ a.float())


def is_begun(model: nn.Module) -> bool:
    """Whether a model's adapters began so."""
    return any(hasattr(layer, "start_A") for _, layer in _layers(model))


def difference(model: nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The adapter of twice the rank that does on the whole base what `weights` do on what was left of it.

    Args:
        model: whose adapters began with `begin`.
        weights: of its adapters, by peft's names.
    """
    found = dict(weights)
    for name, layer in _layers(model):
        a, b = f"{name}.lora_A.weight", f"{name}.lora_B.weight"
        found[a] = torch.cat([weights[a], layer.start_A])
        found[b] = torch.cat([weights[b], -layer.start_B], dim=1)
    return found


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        if isinstance(module, Linear):
            yield name, module


def _main_part(
    weight: torch.Tensor, rank: int, scale: float, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """A [rank, in] and B [out, rank] with scale * B A the best approximation of the weight."""
    most = min(weight.shape)
    wanted = min(rank + _SPARE, most)
    left, values, right = torch.svd_lowrank(weight.float(), q=wanted, niter=_ITERATIONS)
    kept = min(rank, most)
    root = (values[:kept] / scale).sqrt()
    a = torch.zeros(rank, weight.shape[1])
    b = torch.zeros(weight.shape[0], rank)
    a[:kept] = (root[:, None] * right[:, :kept].T).cpu()
    b[:, :kept] = (left[:, :kept] * root).cpu()
    return a.to(dtype).contiguous(), b.to(dtype).contiguous()


def _keep(start: dict[str, torch.Tensor], path: Path) -> None:
    """Write the beginning once, whole or not at all."""
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(start, temporary)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
