"""Weight files of an exact size: safetensors, written a tensor at a time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

FORMATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Number formats by the names that safetensors has for them."""
NAMES = {kind: name for name, kind in FORMATS.items()}
_LONGEST_LENGTH = 8
"""Bytes before a file's header that say how long it is."""
_ALIGNED = 8


class Tensor(NamedTuple):
    """What is to be written."""

    name: str
    shape: tuple[int, ...]
    kind: torch.dtype

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return math.prod(self.shape) * self.kind.itemsize


def split(tensors: Iterable[Tensor], most: int) -> list[list[Tensor]]:
    """Cut tensors, in their order, into files of at most `most` bytes; one larger tensor is a file alone."""
    shards: list[list[Tensor]] = [[]]
    filled = _head_size([])
    for tensor in tensors:
        size = tensor.size + len(_entry(tensor, most))
        if shards[-1] and filled + size > most:
            shards.append([])
            filled = _head_size([])
        shards[-1].append(tensor)
        filled += size
    return shards


def write_shards(
    folder: Path, shards: Sequence[Sequence[Tensor]], value: Callable[[str], torch.Tensor]
) -> None:
    """Write the files of a model folder, with an index where there are several.

    Args:
        folder: that of the model.
        shards: what `split` gave.
        value: the values of a tensor by its name, in any number format; asked for one after another.
    """
    where: dict[str, str] = {}
    for number, tensors in enumerate(shards, 1):
        name = (
            f"model-{number:05d}-of-{len(shards):05d}.safetensors" if len(shards) > 1 else "model.safetensors"
        )
        _write(folder / name, tensors, value)
        where |= {tensor.name: name for tensor in tensors}
    if len(shards) > 1:
        total = sum(tensor.size for tensors in shards for tensor in tensors)
        index = {"metadata": {"total_size": total}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _write(path: Path, tensors: Sequence[Tensor], value: Callable[[str], torch.Tensor]) -> None:
    # Wide ones first, so that each begins where its numbers want to begin.
    tensors = sorted(tensors, key=lambda tensor: -tensor.kind.itemsize)
    with path.open("wb") as sink:
        sink.write(_head(tensors))
        for tensor in tensors:
            values = value(tensor.name).to(tensor.kind).cpu().contiguous()
            sink.write(values.reshape(-1).view(torch.uint8).numpy().data)


def _head(tensors: Sequence[Tensor]) -> bytes:
    parts, start = ['"__metadata__":{"format":"pt"}'], 0
    for tensor in tensors:
        end = start + tensor.size
        described = {
            "dtype": NAMES[tensor.kind],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
        parts.append(f"{json.dumps(tensor.name)}:{json.dumps(described, separators=(',', ':'))}")
        start = end
    text = f"{{{','.join(parts)}}}".encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(_LONGEST_LENGTH, "little") + text


def _head_size(tensors: Sequence[Tensor]) -> int:
    """Most bytes of the head of a file."""
    return len(_head(tensors)) + _ALIGNED


def _entry(tensor: Tensor, most: int) -> bytes:
    """What a tensor adds to a head, or a little more: its place is not known yet."""
    place = max(most, tensor.size)
    described = {"dtype": NAMES[tensor.kind], "shape": list(tensor.shape), "data_offsets": [place, place]}
    return f",{json.dumps(tensor.name)}:{json.dumps(described, separators=(',', ':'))}".encode()
