"""What each tensor of a merged model is made of, known before anything is written.

An adapter of peft holds low-rank updates of layers, of embeddings too, whole modules that were trained beside
them (`modules_to_save`), and biases. Each is looked up in the base by the kind of its layer: GPT-2's Conv1D
and embeddings keep [in, out] where linear layers keep [out, in].
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import nn
from transformers.pytorch_utils import Conv1D

from services.trainer.engine import model
from services.trainer.engine.adapter import CONFIG, WEIGHTS
from services.trainer.engine.errors import BaseModelError
from services.trainer.engine.shards import FORMATS

_PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A\.weight|lora_B\.weight|lora_B\.bias|lora_embedding_A|lora_embedding_B"
    r"|lora_magnitude_vector)(?:\.weight)?"
)
_OTHERWISE = (
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "megatron_config",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
"""Settings of peft under which an adapter is more, or other, than W + s B A."""
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin that take something from the base; what is added is then more than the adapter learned."""


@dataclass(frozen=True)
class Update:
    """What an adapter adds to one weight of the base."""

    a: torch.Tensor
    """[rank, in]"""
    b: torch.Tensor
    """[out, rank]"""
    scale: float
    magnitude: torch.Tensor | None = None
    """Of DoRA (arXiv 2402.09353): the length of each row of the result, [out]."""
    transposed: bool = False
    """Whether the weight is [in, out]."""

    def applied(self, weight: torch.Tensor) -> torch.Tensor:
        """The merged weight, fp32, in the shape of the weight."""
        device = weight.device
        straight = weight.float().t() if self.transposed else weight.float()
        merged = torch.addmm(straight, self.b.float().to(device), self.a.float().to(device), alpha=self.scale)
        if self.magnitude is not None:
            merged = merged * (self.magnitude.float().to(device) / merged.norm(dim=1))[:, None]
        return merged.t() if self.transposed else merged

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the weight."""
        straight = (self.b.shape[0], self.a.shape[1])
        return straight[::-1] if self.transposed else straight


@dataclass(frozen=True)
class Piece:
    """One tensor of the merged model."""

    name: str
    shape: tuple[int, ...]
    kind: torch.dtype
    """Number format of what it is made of."""
    file: Path
    source: str
    """Name of that in the file."""
    update: Update | None = None
    added: torch.Tensor | None = None
    """Of a bias: what LoRA's own bias adds."""

    def value(self, device: torch.device) -> torch.Tensor:
        """Its values; fp32 where something was added, else as they were."""
        with safe_open(self.file, framework="pt") as source:
            tensor: torch.Tensor = source.get_tensor(self.source).to(device)
        if self.update is not None:
            return self.update.applied(tensor)
        return tensor if self.added is None else tensor.float() + self.added.float().to(device)


@dataclass(frozen=True)
class Plan:
    """A merged model."""

    pieces: dict[str, Piece]
    """By name, in the order of the base."""
    is_untied: bool
    """Whether output head and embeddings, one tensor in the base, have become two."""
    vocabulary: int
    """Tokens that the model has embeddings of."""


@dataclass
class _Adapter:
    """The content of an adapter folder."""

    updates: dict[str, Update] = field(default_factory=dict)
    """By the module whose weight they change; not yet told which way round it lies."""
    biases: dict[str, torch.Tensor] = field(default_factory=dict)
    """What is added to the module's bias."""
    replaced: dict[str, str] = field(default_factory=dict)
    """Of a parameter that was trained as a whole the name in the adapter's file."""


def make_plan(base: Path, adapter: Path) -> Plan:
    """Find out what becomes of each tensor of the base. Raises BaseModelError where a merge cannot be."""
    found = _read_adapter(adapter)
    skeleton = _skeleton(base)
    pieces = _base_pieces(base)
    names = _Names(skeleton, pieces)
    is_untied = _untie(skeleton, pieces, found, adapter)
    modules = dict(skeleton.named_modules())
    for parameter, source in found.replaced.items():
        name = names.of(parameter)
        pieces[name] = _replaced(pieces[name], adapter / WEIGHTS, source)
    for module, update in found.updates.items():
        name = names.of(f"{module}.weight")
        pieces[name] = _updated(pieces[name], update, module, modules.get(module))
    for module, bias in found.biases.items():
        name = names.of(f"{module}.bias")
        pieces[name] = replace(pieces[name], added=bias)
    return Plan(pieces, is_untied, skeleton.get_input_embeddings().num_embeddings)


class _Names:
    """Finds a parameter of the model among the tensors of its files."""

    def __init__(self, skeleton: Any, pieces: dict[str, Piece]) -> None:
        self._pieces = pieces
        self._prefix = f"{skeleton.base_model_prefix}."

    def of(self, parameter: str) -> str:
        # Files of models without a head leave the prefix out.
        for name in (parameter, parameter.removeprefix(self._prefix)):
            if name in self._pieces:
                return name
        raise BaseModelError(f"adapter: base_model has no tensor {parameter}; is it an adapter of this base?")


def _read_adapter(folder: Path) -> _Adapter:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        with safe_open(folder / WEIGHTS, framework="pt") as source:
            tensors = {name: source.get_tensor(name) for name in source.keys()}  # noqa: SIM118 - no mapping
    except Exception as error:  # safetensors has an exception of its own
        raise BaseModelError(f"adapter: cannot read {folder}: {error}") from error
    _check_kind(config)
    found = _Adapter()
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        inner = name.removeprefix(_PREFIX)
        part = _PART.fullmatch(inner)
        if part:
            parts.setdefault(part["module"], {})[part["part"]] = tensor
        elif "lora_" in inner or "token_adapter" in inner or not name.startswith(_PREFIX):
            raise BaseModelError(f"adapter: {folder} has a tensor {name}, which is no part of LoRA on layers")
        else:
            plain = inner.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
            found.replaced[plain] = name
    for module, content in parts.items():
        found.updates[module] = _update(config, module, content)
        if "lora_B.bias" in content:
            found.biases[module] = content["lora_B.bias"] * found.updates[module].scale
    if not parts and not found.replaced:
        raise BaseModelError(f"adapter: {folder} holds no tensor")
    return found


def _check_kind(config: dict[str, Any]) -> None:
    """Refuse what would be merged by another formula."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise BaseModelError(f"adapter: peft_type is {kind}; only LORA can be merged")
    for name in _OTHERWISE:
        if config.get(name):
            raise BaseModelError(f"adapter: {name} is set, which cannot be merged here; merge it with peft")
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and begun.lower().startswith(_CHANGES_BASE):
        raise BaseModelError(
            f"adapter: init_lora_weights is {begun}, so it belongs to a base that was changed when training "
            "began; save it with peft's path_initial_model_for_weight_conversion, then merge that"
        )


def _update(config: dict[str, Any], module: str, content: dict[str, torch.Tensor]) -> Update:
    a = content.get("lora_A.weight", content.get("lora_embedding_A"))
    b = content.get("lora_B.weight", content.get("lora_embedding_B"))
    if a is None or b is None or a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
        raise BaseModelError(f"adapter: A and B of {module} are no two matrices of one rank")
    # The rank, whatever the patterns say, is that of the matrices.
    rank = a.shape[0]
    alpha = next(
        (
            value
            for pattern, value in (config.get("alpha_pattern") or {}).items()
            if re.match(rf"(.*\.)?({pattern})$", module)
        ),
        config["lora_alpha"],
    )
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return Update(a, b, scale, content.get("lora_magnitude_vector"))


def _skeleton(base: Path) -> Any:
    """The base's layers without their weights."""
    try:
        config = transformers.AutoConfig.from_pretrained(base, local_files_only=True)
        if getattr(config, "quantization_config", None):
            raise BaseModelError(f"base_model: {base} is quantized; merge into the model that it was made of")
        with torch.device("meta"):
            return transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"base_model: cannot read the configuration in {base}: {error}") from error


def _base_pieces(base: Path) -> dict[str, Piece]:
    pieces = {}
    for path, name, shape, kind in _tensors(base):
        if kind not in FORMATS:
            raise BaseModelError(
                f"base_model: {name} is of number format {kind}, which cannot be merged here"
            )
        pieces[name] = Piece(name, tuple(shape), FORMATS[kind], path, name)
    return pieces


def _tensors(base: Path) -> Iterator[tuple[Path, str, list[int], str]]:
    """File, name, shape and number format of every tensor of a model folder."""
    for path in model.weight_files(base):
        with safe_open(path, framework="pt") as source:
            for name in source.keys():  # noqa: SIM118 - it is no mapping
                view = source.get_slice(name)
                yield path, name, view.get_shape(), view.get_dtype()


def _untie(skeleton: Any, pieces: dict[str, Piece], found: _Adapter, adapter: Path) -> bool:
    """Give the output head a tensor of its own where it, or the embeddings it shares, becomes another.

    Changes `pieces`; returns whether it did.
    """
    config = skeleton.config
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    head, embeddings = skeleton.get_output_embeddings(), skeleton.get_input_embeddings()
    if head is None or not getattr(text, "tie_word_embeddings", False):
        return False
    modules = {id(module): name for name, module in skeleton.named_modules()}
    head_name, embeddings_name = modules[id(head)], modules[id(embeddings)]
    names = _Names(skeleton, pieces)
    shared = pieces[names.of(f"{embeddings_name}.weight")]
    # Where files hold both, what counts is the embeddings' tensor.
    pieces.pop(f"{head_name}.weight", None)
    both = [f"{name}.weight" for name in (embeddings_name, head_name)]
    changed = {*found.updates, *(name.removesuffix(".weight") for name in found.replaced)}
    if not changed & {head_name, embeddings_name}:
        return False
    if all(name in found.replaced for name in both) and not {*found.updates} & {head_name, embeddings_name}:
        with safe_open(adapter / WEIGHTS, framework="pt") as source:
            one, other = (source.get_tensor(found.replaced[name]) for name in both)
        if torch.equal(one, other):
            del found.replaced[both[1]]
            return False
    pieces[both[1]] = replace(shared, name=both[1])
    return True


def _replaced(piece: Piece, file: Path, source: str) -> Piece:
    with safe_open(file, framework="pt") as opened:
        view = opened.get_slice(source)
        shape, kind = tuple(view.get_shape()), view.get_dtype()
    if shape != piece.shape:
        raise BaseModelError(
            f"adapter: {piece.name} is {list(shape)}, in base_model {list(piece.shape)}; was it trained with "
            "another vocabulary?"
        )
    return replace(piece, file=file, source=source, kind=FORMATS[kind])


def _updated(piece: Piece, update: Update, module: str, layer: nn.Module | None) -> Piece:
    if not isinstance(layer, nn.Linear | Conv1D | nn.Embedding):
        raise BaseModelError(f"adapter: {module} is a {type(layer).__name__}, which cannot be merged here")
    lies = replace(update, transposed=not isinstance(layer, nn.Linear))
    if lies.shape != piece.shape:
        raise BaseModelError(
            f"adapter: its update of {module} is {list(lies.shape)}, the base's weight {list(piece.shape)}; "
            "is it an adapter of this base?"
        )
    return replace(piece, update=lies)
