"""The adapter as a folder that `peft.PeftModel.from_pretrained` reads."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import peft
from safetensors.torch import save_file

from services.trainer.engine import pissa
from services.trainer.engine.lora import ADAPTER

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


def write_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors in the precision that the model computed in.

    Args:
        model: the peft.PeftModel.
        folder: where to write.
        base_name: how the configuration calls the base.

    peft's own save_pretrained is not used: it records the base model's path, may ask the hub whether that
    name exists, and adds an empty model card.
    """
    # Clones, because the weights are views of the optimizer's buffer.
    weights = peft.get_peft_model_state_dict(model, adapter_name=ADAPTER, save_embedding_layers=False)
    config: Any = copy.copy(model.peft_config[ADAPTER])
    if pissa.is_begun(model):
        weights = pissa.difference(model, weights)
        config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha
    tensors = {name: weights[name].detach().cpu().clone() for name in sorted(weights)}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    # peft has made a set of it, which would be written in a different order each time.
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(str(folder))


def copy_adapter(source: Path, folder: Path) -> None:
    """Copy what `write_adapter` wrote."""
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(source / name, folder / name)
