"""A model folder as one GGUF file, a tensor at a time, proven before it gets its name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import transformers
from gguf import GGMLQuantizationType as Kind
from safetensors import safe_open

from services.trainer.engine import model
from services.trainer.engine.errors import BaseModelError, DiskFullError, MergeError
from services.trainer.engine.export.gguf_layout import (
    Layout,
    add_settings,
    layout_of,
    namer,
    rope_factors,
    swapped,
)
from services.trainer.engine.export.gguf_tokens import add_tokens, vocabulary_of
from services.trainer.engine.export.prompts import Prompts, prompts_of

KINDS = {"f32": Kind.F32, "f16": Kind.F16, "bf16": Kind.BF16, "q8_0": Kind.Q8_0}
"""Number formats of matrices by the names that users give; all else is fp32, as llama.cpp wants it."""
_FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
_BLOCK = 32
"""Numbers that Q8_0 has one scale for."""
_ROPE_FACTORS = "rope_freqs.weight"
_ROPE_BUFFER = "rotary_emb.inv_freq"
"""Old files have it as a tensor, which follows from the configuration."""


@dataclass(frozen=True)
class Part:
    """One tensor of the file."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    file: Path | None
    """Nothing where it follows from the configuration."""
    source: str
    """Its name in that file."""


class Source:
    """A model folder to be written.

    Raises:
        BaseModelError: it cannot be read, or is of a kind that does not go.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        self.kind = kind
        try:
            self.config: Any = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
            self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            raise BaseModelError(f"model: cannot read {folder}: {error}") from error
        self.layout: Layout = layout_of(self.config)
        self.prompts: Prompts = prompts_of(self.tokenizer, folder)
        self.words = vocabulary_of(self.tokenizer, folder, self.config.vocab_size)
        self.parts = list(self._planned())

    def _planned(self) -> Iterator[Part]:
        """Every tensor of the file, in the order of the folder's."""
        named = namer(self.layout, self.config)
        if rope_factors(self.config) is not None:
            shape = tuple(rope_factors(self.config).shape)  # type: ignore[union-attr]
            yield Part(_ROPE_FACTORS, shape, Kind.F32, None, "")
        for path in model.weight_files(self.folder):
            with safe_open(path, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - it is no mapping
                    if name.endswith(_ROPE_BUFFER) or self._is_shared_head(name):
                        continue
                    shape = tuple(opened.get_slice(name).get_shape())
                    yield Part(named(name), shape, self._kind_of(shape), path, name)

    def _is_shared_head(self, name: str) -> bool:
        """Whether it is the output head of a model that has it of its embeddings."""
        return name == "lm_head.weight" and bool(self.config.tie_word_embeddings)

    def _kind_of(self, shape: tuple[int, ...]) -> Kind:
        if len(shape) == 1:
            return Kind.F32
        wanted = KINDS[self.kind]
        return Kind.F16 if wanted is Kind.Q8_0 and shape[-1] % _BLOCK else wanted

    def values(self, part: Part) -> np.ndarray[Any, Any]:
        """What a part is to hold, fp32, in the order of the file's rows."""
        if part.file is None:
            factors = rope_factors(self.config)
            assert factors is not None  # noqa: S101  # it was planned
            found: np.ndarray[Any, Any] = factors.numpy()
            return found
        with safe_open(part.file, framework="pt") as opened:
            tensor = opened.get_tensor(part.source)
        if self.layout.swaps_rows:
            tensor = swapped(part.source, tensor, self.config)
        values: np.ndarray[Any, Any] = tensor.float().contiguous().numpy()
        return values


def stored(values: np.ndarray[Any, Any], part: Part) -> np.ndarray[Any, Any]:
    """Values in the number format of a part. Raises MergeError where that cannot hold them."""
    with np.errstate(over="ignore"):
        found: np.ndarray[Any, Any] = gguf.quantize(values, part.kind)
    if part.kind is Kind.F16 and not np.isfinite(found).all():
        raise MergeError(f"{part.source}: f16 cannot hold its values; take bf16, f32 or q8_0")
    return found


def write(source: Source, path: Path, name: str) -> None:
    """Write the file.

    Args:
        source: what to write.
        path: where; no other file of this name may be there.
        name: of the model, for people.
    """
    _check_room(source, path)
    writer = gguf.GGUFWriter(path, source.layout.architecture)
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(name)
        writer.add_file_type(_FILE_TYPES[source.kind])
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        add_settings(writer, source.config)
        add_tokens(writer, source.words, source.tokenizer, source.prompts)
        for part in source.parts:
            _announce(writer, part)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for part in source.parts:
            writer.write_tensor_data(stored(source.values(part), part))
    finally:
        writer.close()


def _announce(writer: gguf.GGUFWriter, part: Part) -> None:
    size = _size(part)
    if part.kind in {Kind.F32, Kind.F16}:
        kind = np.dtype(np.float32 if part.kind is Kind.F32 else np.float16)
        writer.add_tensor_info(part.name, part.shape, kind, size)
        return
    shape = gguf.quant_shape_to_byte_shape(part.shape, part.kind)
    writer.add_tensor_info(part.name, shape, np.dtype(np.uint8), size, raw_dtype=part.kind)


def _size(part: Part) -> int:
    """Bytes of a part in the file."""
    numbers, size = gguf.GGML_QUANT_SIZES[part.kind]
    return int(np.prod(part.shape)) // numbers * size


def _check_room(source: Source, path: Path) -> None:
    needed = sum(map(_size, source.parts))
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise DiskFullError(
            f"output: the file needs {needed:,} bytes, {path.parent} has {free:,} left; free some or name "
            "another folder"
        )
