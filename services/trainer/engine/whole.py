"""A whole model as a folder like that of its base: what a run gives that learns the base's own weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from services.trainer.engine.parallel import place
from services.trainer.engine.parallel.divided import fetched

SHARD_BYTES = 5_000_000_000
_WEIGHTS = {".safetensors", ".bin", ".gguf", ".pt", ".pth"}


def copied(causal: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and buffers as tensors of their own on the CPU; what is shared stays shared.

    Copies, as the learned ones are views of the optimizer's buffer, which transformers would take for one
    shared weight. Every process must call it: what is divided among devices is fetched a module at a time,
    as all of it need not have room on one. Only the first process gets something.
    """
    copies: dict[int, torch.Tensor] = {}
    found: dict[str, torch.Tensor] = {}
    for path, module in causal.named_modules(remove_duplicate=False):
        with fetched(module.parameters(recurse=False)):
            for name, tensor in _own(module, path).items() if place.is_first() else ():
                if id(tensor) not in copies:
                    copies[id(tensor)] = tensor.detach().cpu().clone()
                found[name] = copies[id(tensor)]
    return found


def _own(module: nn.Module, path: str) -> dict[str, torch.Tensor]:
    """What a module keeps itself, not its parts, by the names that a model's file has."""
    own: dict[str, torch.Tensor] = {}
    module._save_to_state_dict(own, f"{path}." if path else "", keep_vars=True)
    return own


def write_model(
    causal: Any, weights: dict[str, torch.Tensor], base: Path, folder: Path, base_name: str
) -> None:
    """Write weights in shards, configuration, tokenizer and chat template.

    Args:
        causal: the model.
        weights: its own, in the precision that it computed in; see `copied`.
        base: the folder that it was loaded from; what belongs to no weight is copied from it.
        folder: where to write.
        base_name: how the configuration calls the base; never its path.
    """
    causal.config._name_or_path = base_name
    causal.save_pretrained(folder, state_dict=weights, max_shard_size=SHARD_BYTES)
    for path in base.iterdir():
        is_weights = path.suffix in _WEIGHTS or ".index." in path.name
        is_wanted = path.is_file() and not is_weights and not path.name.startswith(".")
        if is_wanted and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
