"""Adapters beside the base: loaded and unloaded while it serves, mixed in one batch.

The base's weights stay as they are. In a batch each sequence's tokens get the update of its own adapter, so
that sequences of many adapters, and of none, are computed together.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from services.runtime.errors import InvalidArgument, NotFound
from services.trainer.engine.rendering import Renderer, RenderError, model_renderer

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_KEY = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_PLAIN = {"use_dora": False, "modules_to_save": None, "bias": "none", "trainable_token_indices": None}
"""What an adapter must be for its updates to be products of two matrices beside the base, and no more."""


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """One adapter in memory.

    Attributes:
        name: model name that requests give for it.
        pairs: by module of the base: A [r, in] and B [out, r], B scaled already.
        renderer: from messages to prompts, the one with which it was trained.
    """

    name: str
    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    renderer: Renderer

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return sum(each.nbytes for pair in self.pairs.values() for each in pair)


@dataclass(slots=True)
class Mix:
    """Which adapter the tokens of the running batch belong to; set before each forward pass."""

    parts: Sequence[tuple[Adapter, slice]] = ()


class MixedLinear(nn.Module):
    """A linear layer of the base, with the updates of adapters where the running batch has such tokens."""

    def __init__(self, base: nn.Module, name: str, mix: Mix) -> None:
        super().__init__()
        self.base = base
        self._name = name
        self._mix = mix

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map [1, N, in] to [1, N, out]."""
        outputs: torch.Tensor = self.base(inputs)
        for adapter, rows in self._mix.parts:
            pair = adapter.pairs.get(self._name)
            if pair is not None:
                outputs[0, rows] += inputs[0, rows] @ pair[0].T @ pair[1].T
        return outputs


@dataclass(slots=True)
class Adapters:
    """The adapters of one model, by name."""

    network: nn.Module
    tokenizer: Any
    dtype: torch.dtype
    device: torch.device
    mix: Mix = field(default_factory=Mix)
    _loaded: dict[str, Adapter] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Adapter]:
        return iter(list(self._loaded.values()))

    def find(self, name: str) -> Adapter | None:
        """The adapter of a name, if there is one."""
        return self._loaded.get(name)

    def load(self, name: str, folder: Path) -> Adapter:
        """Take an adapter in; one that was loaded by that name before is replaced for new requests.

        Raises:
            InvalidArgument: the folder holds no adapter for this base, or one that cannot be mixed.
        """
        try:
            renderer = model_renderer(self.tokenizer, folder)
        except RenderError as error:
            raise InvalidArgument("RENDERER_CHANGED", f"{error}.") from error
        adapter = Adapter(name, self._read(folder), renderer)
        for module in adapter.pairs:
            self._open(module)
        self._loaded[name] = adapter
        return adapter

    def unload(self, name: str) -> None:
        """Let an adapter go; its memory is free when the answers that it is writing have ended.

        Raises:
            NotFound: there is none of that name.
        """
        if self._loaded.pop(name, None) is None:
            raise NotFound("MODEL_NOT_FOUND", f"No adapter {name!r} is loaded.", "lora_name")

    def _read(self, folder: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        from safetensors.torch import load_file  # noqa: PLC0415 - only adapters need it

        try:
            config = json.loads((folder / CONFIG).read_bytes())
            tensors = load_file(folder / WEIGHTS, device="cpu")
        except Exception as error:  # safetensors' error has no base of its own
            raise _invalid(folder, str(error)) from error
        why = unmixable(config)
        if why:
            raise InvalidArgument("ADAPTER_NOT_MIXABLE", f"The adapter in {folder} {why}; merge it instead.")
        sides: dict[str, dict[str, torch.Tensor]] = {}
        for key, tensor in tensors.items():
            found = _KEY.fullmatch(key)
            if not found:
                raise InvalidArgument(
                    "ADAPTER_NOT_MIXABLE", f"The adapter in {folder} holds {key}; merge it instead."
                )
            sides.setdefault(found["module"], {})[found["side"]] = tensor
        return {module: self._pair(folder, module, pair, config) for module, pair in sides.items()}

    def _pair(
        self, folder: Path, module: str, pair: dict[str, torch.Tensor], config: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if pair.keys() != {"A", "B"}:
            raise _invalid(folder, f"{module} lacks one of its two matrices")
        down, up = pair["A"].float(), pair["B"].float() * scaling(config, module)
        wanted = self._shape(folder, module)
        if (up.shape[0], down.shape[1]) != wanted or up.shape[1] != down.shape[0]:
            raise _invalid(
                folder,
                f"{module} is {up.shape[0]}×{down.shape[1]}, the base's is {wanted[0]}×{wanted[1]}; "
                "it belongs to another base",
            )
        return down.to(self.device, self.dtype), up.to(self.device, self.dtype)

    def _shape(self, folder: Path, module: str) -> tuple[int, int]:
        try:
            found = self.network.get_submodule(module)
        except AttributeError as error:
            raise _invalid(folder, f"the base has no {module}; it belongs to another base") from error
        while isinstance(found, MixedLinear):
            found = found.base
        if module.endswith("lm_head") or not hasattr(found, "out_features"):
            raise InvalidArgument(
                "ADAPTER_NOT_MIXABLE", f"The adapter in {folder} changes {module}; merge it instead."
            )
        return int(getattr(found, "out_features")), int(getattr(found, "in_features"))  # noqa: B009  # whatever its class

    def _open(self, module: str) -> None:
        """Make a layer of the base look at the running batch's adapters."""
        parent, _, name = module.rpartition(".")
        layer = self.network.get_submodule(module)
        if not isinstance(layer, MixedLinear):
            setattr(self.network.get_submodule(parent), name, MixedLinear(layer, module, self.mix))


def unmixable(config: Mapping[str, Any]) -> str:
    """Why an adapter cannot be computed beside its base, from its adapter_config.json; empty where it can."""
    if config.get("peft_type") != "LORA":
        return f"is of the kind {config.get('peft_type')}"
    for name, plain in _PLAIN.items():
        if config.get(name, plain) not in (plain, None, [], {}):
            return f"has {name} = {config[name]!r}"
    return ""


def scaling(config: Mapping[str, Any], module: str) -> float:
    """The factor on a module's update; ranks and alphas may differ by module, as PEFT has it."""
    rank = _of(config.get("rank_pattern") or {}, module, config["r"])
    alpha = _of(config.get("alpha_pattern") or {}, module, config["lora_alpha"])
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _of(pattern: Mapping[str, Any], module: str, default: Any) -> Any:
    found = [value for key, value in pattern.items() if re.match(rf"(?:.*\.)?(?:{key})$", module)]
    return found[0] if found else default


def _invalid(folder: Path, why: str) -> InvalidArgument:
    return InvalidArgument("ADAPTER_INVALID", f"Cannot apply the adapter in {folder}: {why}", "lora_path")
