"""An adapter merged into its base: a model folder of its own, proven before it gets its name.

One tensor at a time is in memory while merging: W + s B A is computed in fp32 and then rounded once, since a
sum in bf16 loses most of a small update. Then the folder is read back, and its logits are held against those
that transformers and peft compute from base and adapter.
"""

from __future__ import annotations

import json
import math
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from services.trainer.engine import model, releases
from services.trainer.engine.adapter import CONFIG, WEIGHTS
from services.trainer.engine.errors import BaseModelError, MergeError
from services.trainer.engine.files import new_folder, sha256_file
from services.trainer.engine.rendering import FILE as RENDERER

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TOLERANCES = {"fp32": 1e-4, "fp16": 5e-3, "bf16": 4e-2}
"""Largest distance between merged and reference logits, as a share of the latter's norm; what rounding the
weights to the format costs, with room for deep models."""
SHARD_BYTES = 5_000_000_000
_PROBE_TOKENS = 64
_PREFIX = "base_model.model."


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

    def applied(self, weight: torch.Tensor) -> torch.Tensor:
        """The merged weight [out, in], fp32."""
        device = weight.device
        merged: torch.Tensor = torch.addmm(
            weight.float(), self.b.float().to(device), self.a.float().to(device), alpha=self.scale
        )
        if self.magnitude is None:
            return merged
        lengths: torch.Tensor = self.magnitude.float().to(device) / merged.norm(dim=1)
        return merged * lengths[:, None]


@dataclass(frozen=True)
class Merged:
    """What became of a merge."""

    files: int
    """Weight files."""
    logit_error: float
    """Norm of (merged - reference) over that of the reference."""
    adapter_effect: float
    """Norm of (reference - base) over that of the reference: what the adapter changes at all."""


def merge(
    base: Path,
    adapter: Path,
    output: Path,
    precision: str = "bf16",
    shard_bytes: int = SHARD_BYTES,
    device: torch.device | None = None,
) -> Merged:
    """Write base and adapter as one model folder.

    Args:
        base: model folder with *.safetensors.
        adapter: folder that the engine or peft wrote.
        output: the new folder; it appears when everything in it is proven.
        precision: `bf16`, `fp16` or `fp32`, of the weights that are written.
        shard_bytes: most bytes of tensors in a weight file; a larger tensor has a file of its own.
        device: where to compute; nothing means the CPU.

    Raises:
        BaseModelError: base and adapter do not fit together, or cannot be read.
        MergeError: there is something at `output`, or the logits differ by more than the format explains.
    """
    if output.exists():
        raise MergeError(f"output: {output} is there already; delete it or name another folder")
    device = device or torch.device("cpu")
    updates = read_updates(adapter)
    with new_folder(output) as folder:
        try:
            count = _write_weights(base, updates, folder, precision, shard_bytes, device)
            _copy_rest(base, folder, precision)
            _copy_renderer(adapter, folder)
            error, effect = compare(base, adapter, folder, device)
            if not error <= TOLERANCES[precision]:
                raise MergeError(
                    f"the merged model's logits differ by {error:.2g} from those of base and adapter, more "
                    f"than {precision} explains ({TOLERANCES[precision]:g}); nothing was written"
                )
            told = {
                "base_model_sha256": model.base_model_sha256(base, folder / ".digests"),
                "adapter_sha256": sha256_file(adapter / WEIGHTS),
                "precision": precision,
                "logit_error": error,
                "adapter_effect": effect,
                "versions": model.versions(),
            }
            (folder / ".digests").unlink()
            (folder / "merged.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return Merged(count, error, effect)


def read_updates(adapter: Path) -> dict[str, Update]:
    """What an adapter adds, by the name of the base's tensor. Raises BaseModelError for other kinds."""
    try:
        config = json.loads((adapter / CONFIG).read_bytes())
        tensors = load_file(adapter / WEIGHTS)
    except (OSError, ValueError) as error:
        raise BaseModelError(f"adapter: cannot read {adapter}: {error}") from error
    _check_kind(config)
    rank = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    updates = {}
    for name in tensors:
        if name.endswith(".lora_A.weight"):
            stem = name.removesuffix(".lora_A.weight")
            b = tensors[f"{stem}.lora_B.weight"]
            update = Update(tensors[name], b, scale, tensors.get(f"{stem}.lora_magnitude_vector"))
            updates[f"{stem.removeprefix(_PREFIX)}.weight"] = update
    if not updates or len(tensors) != sum(2 + (each.magnitude is not None) for each in updates.values()):
        raise BaseModelError(f"adapter: {adapter} has other tensors than those of LoRA on linear layers")
    return updates


def _check_kind(config: dict[str, Any]) -> None:
    """Refuse what would be merged by another formula."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise BaseModelError(f"adapter: peft_type is {kind}; only LORA can be merged")
    for name in ("fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern", "lora_bias"):
        if config.get(name):
            raise BaseModelError(f"adapter: {name} is set, which cannot be merged here; merge it with peft")


def _write_weights(
    base: Path,
    updates: dict[str, Update],
    folder: Path,
    precision: str,
    shard_bytes: int,
    device: torch.device,
) -> int:
    dtype = DTYPES[precision]
    sizes: dict[str, int] = {}
    places: dict[str, Path] = {}
    for path, name, shape, kind in _tensors(base):
        sizes[name], places[name] = _size(shape, kind, dtype), path
    missing = sorted(set(updates) - set(sizes))
    if missing:
        raise BaseModelError(
            f"adapter: base_model has no tensor {missing[0]}; is it an adapter of this base?"
        )
    shards = split(sizes, shard_bytes)
    where: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = (
            "model.safetensors"
            if len(shards) == 1
            else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        )
        content = {
            name: _merged(_read(places[name], name, device), updates.get(name), dtype) for name in names
        }
        save_file(content, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(names, file)
    if len(shards) > 1:
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    return len(shards)


def split(sizes: dict[str, int], most: int) -> list[list[str]]:
    """Cut tensors, in their order, into files of at most `most` bytes; one larger tensor is a file alone."""
    shards: list[list[str]] = [[]]
    filled = 0
    for name, size in sizes.items():
        if shards[-1] and filled + size > most:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _tensors(base: Path) -> Iterator[tuple[Path, str, list[int], str]]:
    """File, name, shape and number format of every tensor of a model folder."""
    for path in model.weight_files(base):
        with safe_open(path, framework="pt") as source:
            for name in source.keys():  # noqa: SIM118 - it is no mapping
                view = source.get_slice(name)
                yield path, name, view.get_shape(), view.get_dtype()


def _size(shape: list[int], kind: str, dtype: torch.dtype) -> int:
    """Bytes of a tensor when it is written; whole numbers keep their format."""
    width = dtype.itemsize if kind in {"F32", "F16", "BF16", "F64"} else _WIDTHS.get(kind, 8)
    return math.prod(shape) * width


_WIDTHS = {"I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def _read(path: Path, name: str, device: torch.device) -> torch.Tensor:
    with safe_open(path, framework="pt") as source:
        tensor: torch.Tensor = source.get_tensor(name)
    return tensor.to(device)


def _merged(weight: torch.Tensor, update: Update | None, dtype: torch.dtype) -> torch.Tensor:
    if not weight.is_floating_point():
        return weight.cpu()
    whole = weight if update is None else update.applied(weight)
    return whole.to(dtype).cpu().contiguous()


def _copy_renderer(adapter: Path, folder: Path) -> None:
    """How the adapter was rendered for, in place of what the base says of itself."""
    (folder / RENDERER).unlink(missing_ok=True)
    if (adapter / RENDERER).is_file():
        shutil.copyfile(adapter / RENDERER, folder / RENDERER)


def _copy_rest(base: Path, folder: Path, precision: str) -> None:
    """Configuration, tokenizer and chat template; never weights or folders."""
    for path in base.iterdir():
        is_weights = path.suffix in {".safetensors", ".bin", ".gguf", ".pt", ".pth"} or ".index." in path.name
        if path.is_file() and not is_weights and not path.name.startswith("."):
            shutil.copyfile(path, folder / path.name)
    config = json.loads((folder / "config.json").read_bytes())
    kind = str(DTYPES[precision]).removeprefix("torch.")
    for name in ("dtype", "torch_dtype"):
        if name in config or name == releases.dtype_option():
            config[name] = kind
    (folder / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")


@torch.no_grad()
def compare(base: Path, adapter: Path, merged: Path, device: torch.device) -> tuple[float, float]:
    """Distance of the merged logits from those of base and adapter, and of these from the base's; shares.

    All are computed in fp32, one model in memory at a time.
    """
    plain = _load(base, device)
    ids = _probe(plain).to(device)
    of_base = plain(input_ids=ids, use_cache=False).logits
    with warnings.catch_warnings():
        # peft asks transformers by names that it is about to drop; nothing that a user can mend.
        warnings.simplefilter("ignore", FutureWarning)
        adapted = peft.PeftModel.from_pretrained(plain, str(adapter)).eval()
    reference = adapted(input_ids=ids, use_cache=False).logits
    del plain, adapted
    of_merged = _load(merged, device)(input_ids=ids, use_cache=False).logits
    norm = reference.norm()
    return float((of_merged - reference).norm() / norm), float((reference - of_base).norm() / norm)


def _load(folder: Path, device: torch.device) -> Any:
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    options: dict[str, Any] = {releases.dtype_option(): torch.float32, "local_files_only": True}
    try:
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise BaseModelError(f"cannot load the weights in {folder}: {error}") from error
    return loaded.to(device).eval()


def _probe(causal: Any) -> torch.Tensor:
    """Token ids from all over the vocabulary, [1, tokens]."""
    vocabulary: int = causal.get_input_embeddings().num_embeddings
    return (torch.arange(_PROBE_TOKENS) * 7919 % vocabulary)[None]
