"""A whole model as a folder like that of its base: what a run gives that learns the base's own weights."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch

SHARD_BYTES = 5_000_000_000
_WEIGHTS = {".safetensors", ".bin", ".gguf", ".pt", ".pth"}


def write_model(causal: Any, base: Path, folder: Path, base_name: str) -> None:
    """Write weights in shards, configuration, tokenizer and chat template.

    Args:
        causal: the model, in the precision that it computed in.
        base: the folder that it was loaded from; what belongs to no weight is copied from it.
        folder: where to write.
        base_name: how the configuration calls the base; never its path.
    """
    causal.config._name_or_path = base_name
    causal.save_pretrained(folder, state_dict=_detached(causal), max_shard_size=SHARD_BYTES)
    for path in base.iterdir():
        is_weights = path.suffix in _WEIGHTS or ".index." in path.name
        is_wanted = path.is_file() and not is_weights and not path.name.startswith(".")
        if is_wanted and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)


def _detached(causal: Any) -> dict[str, torch.Tensor]:
    """The weights as tensors of their own; what is shared stays shared.

    The learned ones are views of the optimizer's buffer, which transformers would take for one shared weight.
    """
    copies: dict[tuple[int, torch.Size], torch.Tensor] = {}
    found = {}
    for name, tensor in causal.state_dict().items():
        key = (tensor.data_ptr(), tensor.shape)
        if key not in copies:
            copies[key] = tensor.detach().cpu().clone()
        found[name] = copies[key]
    return found
